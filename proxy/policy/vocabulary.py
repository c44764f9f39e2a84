"""Vocabulary: the words that people write in replies, by what they do in a sentence.

Out: regular expressions, each of which matches one of some words, the longest first. Never: a sentence (phrases.py).
Words are as folded: simplified characters, capitals. Dialects, misspellings and abuse stand among the others.
"""

from __future__ import annotations


def one_of(*words: str) -> str:
    """A pattern of words that are separated by blanks."""
    found = sorted({word for text in words for word in text.split()}, key=lambda word: (-len(word), word))
    return f"(?:{'|'.join(found)})"


def some(*patterns: str) -> str:
    """Any number of these, none included. Possessive: what a reply repeats costs a step each."""
    return f"(?:{'|'.join(patterns)})*+"


# --- who

ME = one_of(
    "我 我们 俺 俺们 咱 咱们 本人 老子 劳资 爷 大爷 姑奶奶 老娘 人家 这边 这号 这个号 这个号码 本号 本号码 此号 此号码 她 他 我妈 我爸 老人 家人 偶 吾 阮"
)
YOU = one_of(
    "你 你们 您 您们 恁 尔等 你家 你们家 你店 你们店 你司 你们公司 你公司 贵公司 贵司 贵店 贵方 贵平台 贵行 该公司 该店 商家 店家 卖家 客服 小编 "
    "你的 你们的 您的 你家的 你们家的 贵公司的 贵司的 该公司的 商家的 店家的"
)
TO_ME = rf"(?:{one_of('给 向 往 跟 对 朝 冲 同')}{ME}?(?:的?(?:手机|号码|电话|号)上?)?)"

# --- what

MESSAGES = one_of(
    "短信 短信息 短讯 简讯 讯息 信息 消息 广告 小广告 推送 推广 推销 促销 营销 宣传 资讯 订阅 垃圾 骚扰 短息 信系 短心 SMS MSG MESSAGE AD ADS SPAM"
)
SURE_MESSAGES = one_of("短信 短信息 短讯 简讯 讯息 信息 消息 广告 推送 推广 推销 促销 营销 短息 SMS MSG 垃圾短信 骚扰短信")
OFFERS = one_of(
    "贷款 借款 借钱 资金 周转 保险 理财 投资 股票 炒股 办卡 信用卡 代开 套现 培训 加盟 装修 游戏 彩票 博彩 赌博 保健品 减肥 整容 医美 美容 相亲 房产 楼盘 "
    "课程 优惠 优惠券 活动 会员 礼品 产品 商品 服务 东西 玩意 玩意儿 内容 链接 邮件 电话 项目 业务 套路 折扣 福利 红包 通知 提醒 推荐"
)
"""What messages are about: beside a word for messages, or as what is not wanted."""
WHICH = (
    rf"(?:{one_of('任何 所有 全部 一切 这种 这些 这类 此类 此种 这样 那些 那种 这个 这 那 该 的 商业 商业性 商务 无聊 没用 乱七八糟 什么 啥 各种 各类 相关 类似 群发 大量 类 性')}|"
    rf"{one_of('一条 一个 半个 半条 狗屁 破 烂 鬼 垃圾 其他 等 之类 以及 和 与 双11 双12 双十一 618 新品 上新 生日 节日 会员 优惠 活动 促销')}|{YOU})"
)
ALL = one_of("所有 所有的 全部 全部的 一切 任何 统统 通通 一律 一概 全 全都 都 ALL")
NAMED = rf"{some(WHICH, OFFERS)}{MESSAGES}{some(WHICH, MESSAGES, one_of('通知 提醒 服务 功能 内容'))}"
"""Messages, with what is said of them."""

# --- how

SOON = some(
    one_of(
        "立即 立刻 立马 马上 现在 赶紧 赶快 快 快点 尽快 尽速 即刻 从此 速 速速 火速 及时 彻底 永久 永远 直接 麻烦 劳烦 劳驾 烦请 恳请 敬请 帮 帮我 帮忙 替我 给我 给俺 给爷 给老子 "
        "要求 要 想要 想 申请 强烈 务必 必须 需要 一下 请 请求 先给我 就 予以 办理 办 给 我 速度 即日起 抓紧 赶忙"
    ),
    ALL,
)
SPOKEN = some(
    one_of(
        "了 吧 啊 呀 啦 呗 哦 噢 喔 哈 嘛 咯 喽 哒 咧 哟 哇 的 先 L LE 嗷 昂 哎 诶 喇 架 囉 啰 嘅 添 为好 好吧 行吧 鸭 叭 罢 呐 捏"
    )
)
DONE = some(
    one_of(
        "一下 下 掉 去 过来 来 嚟 点 些 会 会儿 了 吧 啊 呀 啦 呗 哦 噢 喔 哈 嘛 咯 喽 哒 咧 喂 哟 哇 给我 的 先 L LE 嗷 昂 哎 诶 喇 架 囉 啰 嘅 添 即可 为盼 为好 好吧 行吧 鸭 叭 罢 呐 捏"
    )
)
PLEASE = rf"{one_of('好吗 好么 好嘛 好不好 行吗 行么 行不行 行不 可以吗 可以么 可不可以 成吗 成不 中不 OK吗 拜托 谢谢 好不 可否 行不行啊 好吗谢谢')}?"
TAIL = DONE + PLEASE
NOT = one_of(
    "不要 不用 不必 不需要 不需 不准 不许 不允许 不得 不能 不可 不可以 不想 不愿 不愿意 不希望 不同意 不再 不 别 勿 莫要 莫 甭 嫑 覅 憋 休得 休 休想 毋需 毋须 不须 毋 禁止 严禁 停止 "
    "唔好 唔要 唔使 唔想 唔再 唔愿 唔接受 唔 咪 伐要 弗要 勿要 表 冇 无需 无须 没必要 没有必要 麦 少 免 终止 中止 请勿 别给 憋给 布要 不耍 不药 别他妈 不宜 拒绝"
)
HOW = some(
    one_of(
        "再 再次 继续 老 老是 总 总是 一直 天天 整天 每天 成天 到处 随便 乱 瞎 反复 重复 频繁 又 还 在 搞 整 他妈 他妈的 特么 特么的 TMD TM 老子 去 让我 叫我 用短信 主动 拿 用 把 这样 "
        "这么 不停 不断 地 的 大半夜 半夜 晚上 天天给 频频 无故 擅自 故意 再给 滥 群 狂 恶意 有 来"
    ),
    r"(?:用|发|打)(?:短信|电话|广告|信息)来?(?=骚扰|打扰|烦|给我发|发短信)",
)
AGAIN = rf"{HOW}(?:{TO_ME}{HOW})?"
SEND = one_of("传 发送 发放 发布 发 群发 传送 发来 发给 SEND 法 犮")
PUSH = one_of(
    "推送 推广 推销 推荐 推 打扰 骚扰 骚拢 搔扰 叨扰 侵扰 干扰 惊扰 扰民 扰 烦 轰炸 宣传 吵 来烦 来骚扰 来扰 烦扰 打搅 骚挠 恶心 祸害 纠缠 缠 忽悠 浪费"
)
REACH = one_of("联系 联络 找 理 打电话给 打给 CALL TEXT 推给 发给 传给 寄给 送给")
"""With a person behind it only: 别联系我."""
TAKE = one_of("接收 收到 收取 接受 收 看到 看见 看 接到 被 接 受到")

# --- stopping

UNSUBSCRIBE = (
    rf"(?:[退推忒腿褪蜕颓煺][订定钉丁盯顶叮锭汀厅町]|{one_of('T订 T定 退D 退DING TUI订 TUIDING TUIDIN UNSUBSCRIBE UNSUB 取消订阅 取消关注 取关 退阅 撤订 退出订阅')}|"
    rf"{one_of('解除订阅 撤销订阅 停止订阅 不再订阅 不订阅 不想订阅 不要订阅 不订 取消定阅 取消订閱 取订 消订 退订阅 TUIDINGLE 终止订阅')})"
)
STOP_NOW = one_of(
    "停止推送 停止发送 停发 停推 停止发放 停止发 免打扰 免扰 勿扰 闭嘴 收声 消停 消停点 拉黑 屏蔽 屏弊 屏闭 屏敝 停止打扰 停止骚扰 拒收 据收 拒受 拒手 拒授 JUSHOU 停送 拒接 谢绝"
)
"""What cannot be said of goods or an appointment, or hardly."""
CANCEL = one_of(
    "停止 停掉 停用 停 停一停 停下 停下来 终止 中止 取消 取消掉 退出 退掉 退 拒绝接收 拒绝接受 拒绝 拒 抵制 取小 去消 取削 取销 停只 STOP QUXIAO TINGZHI CANCEL 关闭 关掉 作罢 退回 解除"
)
ERASE = one_of(
    "删除 删掉 删了 删去 删 移除 移出 移走 去掉 去除 拿掉 剔除 清除 清掉 抹掉 踢出 踢了 划掉 拉黑 屏蔽 移出来 拿走 撤掉 销毁 T出 剔"
)
NUMBER = rf"{some(one_of('的 这 这个 此 本'))}{one_of('手机号码 手机号 电话号码 联系方式 号码 手机 电话 号 名字 姓名 资料 信息 个人信息 数据 记录 联系电话 个人资料 会员信息')}"
LIST = (
    rf"(?:从?{some(YOU, one_of('这个 这 所有 的'))}(?:发送|营销|短信|群发|客户|会员|推广|推送|通讯)*+{one_of('名单 列表 系统 数据库 通讯录 库 后台 群 短信群 名录 黑名单')}"
    rf"{one_of('里 里面 中 内 上 之中 之外')}?)"
)

# --- threats, complaints, abuse

OFFICE = one_of(
    "工信部 工商 工商局 消协 消费者协会 法院 警察 公安 派出所 运营商 移动 联通 电信 网信办 通管局 通信管理局 12321 12315 12300 12345 10086 10010 10000 110 315 媒体 监管部门 信产部"
)
COMPLAIN = one_of(
    "投诉 举报 报警 拉黑 起诉 告 告到 告你 曝光 差评 追究 不客气 打110 打12321 打12315 找律师 骂人 骂娘 骂 翻脸 卸载 卸了 退会 销号 法庭见 法院见 走法律程序 法律追究 法律途径 诉诸法律 "
    "让你好看 后果自负 采取法律手段 走法律途径 告上法庭 追责 不再光顾 黑名单 拨打12321 发律师函 没完"
)
THREAT = (
    rf"(?:{some(one_of('就 我 我们 立即 立刻 马上 直接 必 必须 要 会 将 只能 只好 一定 肯定 等着 小心 那 可 被 你们 依法 通过 采取 电话 一律 别怪我 后果就是 进行 有权 保留'))}{some(one_of('去 向 打 找 到 给 上 拨打'))}"
    rf"(?:{COMPLAIN}|{OFFICE}(?:{COMPLAIN})?){some(YOU, OFFICE, one_of('到底 了 的 吧 责任 法律 权利 短信 号码 电话 啊 哦 到 去 上 部门 监管 法律责任 处理 哈 试试 见'))})"
)
STILL = some(
    one_of(
        "怎么 为什么 为啥 咋 咋个 干嘛 干吗 干什么 凭什么 凭啥 何必 居然 竟然 还 又 老 老是 总 总是 一直 天天 每天 整天 成天 不停 不断 反复 频繁 一天到晚 三天两头 隔三差五 大半夜 半夜 大清早 "
        "深更半夜 晚上 一天 地 的 在 是 给我 给俺 要 来 都 在给我 就 我 几条 好几条 好多条 几次 N次 几 N 条 一个劲 这么 频繁地 老给 多次 连续 一再 再三 你们 你 一条接一条 每次 莫名其妙"
    )
)
ABUSE = one_of(
    "垃圾 垃圾短信 垃圾公司 垃圾信息 垃圾广告 垃圾商家 垃圾平台 骗子 骗人 骗人的 诈骗 有病 有病吧 神经病 有毛病 脑子有病 脑残 傻逼 傻比 傻叉 傻B 傻X 傻瓜 煞笔 沙雕 智障 SB TMD NMD CNM MD 妈的 他妈 他妈的 "
    "特么 特么的 你妈 你妈的 你大爷 你大爷的 尼玛 泥马 草泥马 曹尼玛 操 操你妈 草 艹 靠 卧槽 我去 我靠 日 王八蛋 混蛋 不要脸 臭不要脸 缺德 去死 死全家 有完没完 没完没了 没完了 骚扰短信 垃圾广告 流氓 "
    "无耻 无语 服了 恶心 晦气 狗 狗东西 傻子 烦人精 牛皮癣 狗皮膏药 苍蝇 滚蛋 娘的 奶奶的 一群 一帮 真是 都是 全是 就是 什么 呸 FUCK SHIT"
)
FED_UP = one_of(
    "烦死 烦死我 烦死了 烦死个人 烦死人 烦死人了 吵死 吵死了 吵死人 气死 气死了 气死人 烦人 烦不烦 烦 讨厌 受不了 受够 受够了 收够了 够了 恶心 无语 服了 疯 疯了 崩溃 无聊 头疼 烦躁 腻了 累不累 "
    "影响工作 影响休息 影响生活 影响睡觉 影响我 打扰我 打扰到我 打扰我休息 打扰休息 扰民 骚扰 严重骚扰 严重影响生活 严重影响工作 太多 太多了 太频繁 频繁 过分 太过分 烦透了 烦心 闹心 影响我工作 影响我休息"
)
