"""Phrases: the small grammar by which a reply is read as a sentence.

In: the letters and digits of a reply, or of one clause of it. Out: the strongest of the phrases that cover all of it.
Never: keywords that messages declared, doubts and questions (optout.py), a phrase found inside other words.

    a reply that asks to stop = phrases one behind the other, of which one is a refusal, a stop or a decline
    REFUSAL   names messages, advertising, a subscription or the person's number: 退订, 别给我发短信了, 把我号码删了
    CLEAR     is about messages without naming them: 不要再发了, 别来烦我, 停止发送, 再发就投诉
    STOP      may be about something else: 停, 取消, 拒绝, 别发了
    DECLINE   wants nothing: 不需要, 没兴趣, 我没订过
    BESIDE    says nothing of that: politeness, who, when, wishes, reasons, complaints, abuse
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from . import vocabulary as v
from .vocabulary import one_of, some

BESIDE, DECLINE, STOP, CLEAR, REFUSAL = range(5)
"""Kinds of phrases, from weak to strong: the strongest of a sentence is that of the sentence."""
SENTENCE_MAX = 60
"""Letters and digits of a sentence that is read: a longer one is a story, and a person should read it."""


class Said(NamedTuple):
    """What the phrases of a sentence say together."""

    kind: int
    whole: bool = True
    """Whether phrases cover all of it; False: something unknown stands before them."""
    orders: bool = False
    """Whether it tells the sender what not to do, so that no doubt beside it counts (别给我发短信了, not 退订)."""
    keyword: str = ""
    """The keyword among them."""


def _phrases(kind: int, orders: bool, *patterns: str) -> list[tuple[int, bool, re.Pattern[str]]]:
    return [(kind, orders, re.compile(pattern)) for pattern in patterns]


_SENT = rf"(?:来|过来|到|给|嚟|俾|畀)*+(?:{v.ME}|人家?|别人)?(?:的?(?:手机|号码|电话|号)上?)?"
_DONT_SEND = rf"{v.NOT}{v.AGAIN}{v.SEND}"
_DONT_PUSH = rf"(?:{v.NOT}{v.AGAIN}(?:{v.PUSH}|{v.REACH}(?={v.ME}))|{v.NOT}(?:再|继续|在)(?:{v.TO_ME})?{v.SEND}|{v.NOT}{v.HOW}{v.TO_ME}{v.HOW}{v.SEND}|(?:停止|终止|中止|禁止){v.AGAIN}{v.SEND}|{v.NOT}(?:再|继续|在){v.TO_ME}?{one_of('联系 联络 通知 提醒 打电话 打来')})"
_DONT = rf"(?:{_DONT_PUSH}|{_DONT_SEND})"
_ANY = "[\u4e00-\u9fff]{0,6}?"
_NOT_TAKE = rf"(?:{v.NOT}|谢绝|拒|懒得|没兴趣|不欢迎){some(one_of('再 在 要 想 继续 去 愿意 愿 让我 给我'))}{v.TAKE}"
_ABOUT = some(one_of("我 都 全 也 一律 一概 统统 全部 通通 以后 今后 请 就 一个 一条 麻烦"), v.ME)
_UNWANTED = one_of("不要 不需要 不想要 用不着 不用 无需 不看 唔要 莫要 不稀罕 没兴趣 不感兴趣 不想看 不收")
_WISH = one_of(
    "能 可以 能否 可否 能不能 可不可以 是不是可以 是否可以 是否能 麻烦 请问可以 请问能 请问能不能 可以请你们 能请你们"
)
_DECLINING = some(
    one_of("暂时 暂 目前 现在 真 真的 实在 完全 根本 压根 都 一点 一点都 也 并 我 就 对此 对这 对这个 均 实 确实")
)

PHRASES = [
    *_phrases(
        REFUSAL, True,
        rf"{_DONT}{_SENT}{v.NAMED}{v.TAIL}",  # 别给我发短信了
        rf"{_DONT}{_SENT}{_ANY}{v.SURE_MESSAGES}{v.TAIL}",  # 不要发房产短信
        rf"{v.NOT}{v.AGAIN}{v.NAMED}(?:来|再|给我)*+(?:{v.SEND}|{v.PUSH}){_SENT}{v.TAIL}",
        rf"{v.NOT}{v.AGAIN}{one_of('传 寄 送 打 做 弄 搞 来')}{_SENT}{some(v.WHICH)}{v.SURE_MESSAGES}{v.TAIL}",
        rf"{v.NAMED}{_ABOUT}{_DONT}{_SENT}{v.TAIL}",  # 广告不要再发了
        rf"{_ANY}{v.SURE_MESSAGES}{_ABOUT}{_DONT}{_SENT}{v.TAIL}",  # 房产短信别发了
        rf"{_NOT_TAKE}{v.NAMED}{v.TAIL}",  # 不想收到你们的短信
        rf"{_NOT_TAKE}{_ANY}{v.SURE_MESSAGES}{v.TAIL}",
        rf"{v.NAMED}{_ABOUT}{_NOT_TAKE}{v.TAIL}",  # 短信我不要收了
        rf"{_UNWANTED}{v.NAMED}{v.TAIL}",  # 不要广告
        rf"{v.NAMED}{_ABOUT}{_UNWANTED}{v.TAIL}",  # 所有短信都不要
        rf"{some(one_of('凡是 所有 任何 一切 只要是'))}{v.NAMED}{_ABOUT}{_UNWANTED}{v.TAIL}",
        rf"{v.SURE_MESSAGES}(?:滚|走开|太多了?|太频繁了?|骚扰)",
    ),
    *_phrases(
        REFUSAL, False,
        rf"{v.SOON}{one_of('回复 回覆 回 发送 编辑 选择 点')}?{v.UNSUBSCRIBE}{some(v.WHICH, v.MESSAGES, v.YOU, v.ALL, one_of('服务 业务 功能'))}{v.SOON}{v.TAIL}",  # 我要退订
        rf"{some(v.WHICH, v.MESSAGES, v.ALL)}{v.SOON}{v.UNSUBSCRIBE}(?:功能|服务|业务)?{v.TAIL}",  # 你们的短信全部退订
        rf"{_WISH}(?:帮我|帮忙|给我|替我|请|你们|麻烦)++{v.SOON}{v.UNSUBSCRIBE}{some(v.WHICH, v.MESSAGES)}{v.TAIL}(?:吗|么|嘛|不)?",  # 可以帮我退订吗
        rf"{v.SOON}(?:{v.CANCEL}|{v.STOP_NOW}){v.SOON}(?:{v.SEND}|{v.PUSH}|{v.TAKE}|给我发|向我发|向本人发送)?{v.NAMED}(?:功能|服务)?{v.TAIL}",  # 取消短信
        rf"(?:把|将)?{v.NAMED}{v.SOON}(?:给)?(?:{v.CANCEL}|{v.STOP_NOW}|关闭|关掉|关了|删掉|删除|注销){v.TAIL}",  # 把短信停了
        rf"{v.SOON}{one_of('关闭 关掉 关了 注销 解除 解绑 卸载 撤销')}{some(v.WHICH)}{v.MESSAGES}{some(v.MESSAGES)}(?:功能|服务)?{v.TAIL}",
        rf"(?:请|麻烦)?(?:把|将|帮)?{v.ME}?(?:把|将)?{v.ME}?{v.NUMBER}{v.LIST}?{v.SOON}(?:给)?{v.ERASE}{v.LIST}?{v.TAIL}",  # 把我号码删了
        rf"(?:把|将){v.ME}(?:{v.NUMBER})?{v.LIST}?{v.SOON}(?:给)?{v.ERASE}{v.LIST}?{v.TAIL}",  # 把我从名单里删掉
        rf"{v.SOON}{v.ERASE}(?:掉|了)?{v.ME}(?:{v.NUMBER})?{v.TAIL}",  # 删除我的号码
        rf"{v.SOON}{v.ERASE}(?:掉|了)?(?:手机号码?|电话号码?|号码|联系方式){v.TAIL}",
        rf"{v.LIST}{v.SOON}{v.ERASE}{v.ME}?(?:{v.NUMBER})?{v.TAIL}",
        rf"{v.SOON}(?:移出|退出|踢出|离开){v.LIST}{v.TAIL}",
        rf"{v.SOON}(?:取消|停止|注销)(?:我|本人)的?(?:号码|手机号码?|电话){v.TAIL}",
    ),
    *_phrases(
        CLEAR, True,
        rf"{_DONT_PUSH}{_SENT}{some(v.WHICH, v.OFFERS)}{v.TAIL}",  # 不要再发了
        rf"{_WISH}(?:不|别|不要|停止)(?:再)?{v.AGAIN}(?:{v.SEND}|{v.PUSH}){_SENT}{some(v.WHICH, v.MESSAGES)}{v.DONE}(?:吗|么|嘛|不|好)?",  # 能别发了吗
        rf"(?:如果|要是|若|若是|谁|你们?|要|敢|还敢|胆敢|下次|以后|倘若){some('要', '敢')}(?:再|还|继续|在){some(v.TO_ME, one_of('敢 要 继续 来 这样 这么 乱 一直 让我 是'))}"
        rf"(?:{v.SEND}|{v.PUSH}|收到)?{_SENT}{some(v.WHICH, v.MESSAGES)}{some(one_of('一次 一条 的话 过来 来 了'))}(?:{v.THREAT})",
        rf"(?:再|还|继续|在){some(v.TO_ME, one_of('敢 要 继续 来 这样 这么 乱 一直 让我 是'))}(?:{v.SEND}|{v.PUSH}|收到){_SENT}{some(v.WHICH, v.MESSAGES)}"
        rf"{some(one_of('一次 一条 的话 过来 来 了'))}(?:{v.THREAT})",  # 再发就投诉
        rf"{some(one_of('如果 要是 再 还 要么 你们 敢'))}不?(?:停止|停|退订|取消|删除|删|处理)(?:的话|掉|止|发送|短信)*+(?:要么)?(?:{v.THREAT})",  # 再不停就投诉
    ),
    *_phrases(
        CLEAR, False,
        rf"{v.SOON}{one_of('回复 回覆 回 发送')}?{v.STOP_NOW}{v.SOON}(?:{v.SEND}|{v.PUSH}|{v.TAKE})?{some(v.WHICH, v.YOU)}{v.TAIL}",
        rf"{v.SOON}{one_of('滚蛋 滚开 滚远点 滚粗 滚犊子 滚 爬开 爬 走开 死开 闭嘴 起开')}{some(one_of('一边去 远点 出去 蛋 开 吧 啊 你妈 你妈的 你 去 边去'))}",
        rf"{_NOT_TAKE}{some(v.WHICH)}{v.TAIL}",  # 不再接收
    ),
    *_phrases(
        STOP, True,
        rf"{_DONT_SEND}(?!错|坏|货|票|车|给别|到){_SENT}{some(v.WHICH)}{v.TAIL}",  # 别发了
        rf"{one_of('请勿 勿 不要 别')}再?{one_of('传 送')}嚟?(?=,|$)",
    ),
    *_phrases(
        STOP, False,
        rf"{v.SOON}{one_of('回复 回覆 回 发送')}?(?!(?:取消|拒绝|停|退|关)了(?:,|$)){v.CANCEL}{some(v.ALL, '给我')}(?:{v.SEND}|{v.TAKE})?{v.TAIL}",  # 取消
        rf"{one_of('立即 马上 快 赶紧 请 麻烦 直接 现在')}*(?:给|帮|替)(?:我|老子|爷|俺){v.SOON}{one_of('取消 停 退')}了",
        rf"{_WISH}(?:帮我|帮忙|给我|替我|请|你们|麻烦)++{v.SOON}{v.CANCEL}{v.TAIL}(?:吗|么|嘛|不)?",
        rf"{v.SOON}(?!(?:删除|删)了)(?:删除|删掉|删|关了吧|都关了){v.TAIL}(?=,|$)",
    ),
    *_phrases(
        STOP, False,
        rf"{v.SOON}(?:{v.CANCEL}|不要|不需要){some(v.WHICH)}{one_of('通知 提醒 推荐')}{v.TAIL}(?=,|$)",
    ),
    *_phrases(
        DECLINE, False,
        rf"(?:{v.ME}?对[\u4e00-\u9fff]{{0,10}}?)?{_DECLINING}{one_of('不感冒 不感兴趣 不敢兴趣 不干兴趣 没兴趣 没有兴趣 没什么兴趣 没啥兴趣 没有任何兴趣 无兴趣 毫无兴趣 冇兴趣 唔感兴趣 兴趣不大 无感 不关心 不敢兴致 没性趣')}{v.TAIL}",
        rf"{_DECLINING}{one_of('不需要 不想要 不要 不用 不必 用不着 用不上 用不到 不考虑 没需求 没需要 没有需求 没有需要 没这个需求 没这个需要 没有这个需求 没有这方面需求 没有任何需求 无需 无需求 无此需求 唔要 唔使 唔需要 冇需要 不欢迎 不看')}"
        rf"(?!辣|停|香|葱)(?:{some(one_of('这个 这些 这 你们的 的'), v.OFFERS.replace('|东西', '').replace('|礼品', ''))}{v.SPOKEN}{v.PLEASE})(?=,|$|[谢别请麻亲拜多感再勿退取以我你烦滚莫对不])",
        rf"{one_of('优惠 优惠券 折扣 活动 福利 红包 贷款 保险 理财')}{_ABOUT}(?:不要|不需要|不用){v.TAIL}",
        rf"{_DECLINING}{one_of('不稀罕 不接受 不愿意 不想 不了 不缺钱 不差钱')}{v.SPOKEN}{v.PLEASE}(?=,|$|谢谢)",
        rf"{some(v.WHICH)}{v.ALL}{one_of('不要 不需要')}{v.SPOKEN}",
        rf"{_DECLINING}(?:不|从不|没有?)(?:贷款|借钱|炒股|赌博?|买房|买车|装修|投资|理财|办卡){v.TAIL}",
        rf"{v.ME}?{some(one_of('从来 从 根本 压根 就 并 都 也 又 好像 似乎 可'))}{one_of('没 没有 未 未曾 不曾 冇 几时 什么时候 何时')}"
        rf"(?:订阅|{one_of('订 定 关注 授权 同意 允许 要求 申请 开通 注册')}(?:过|你们?|让你们?|接收|收))(?:过|你们?|让你们?|给我|接收|收|了)*+"
        rf"{some(v.YOU, one_of('任何 这个 这 什么 啥 的 会员 业务 账号 号 公众号 店铺 店 服务 东西'), v.MESSAGES)}(?:发|发送)?{v.TAIL}",  # 我没订过
    ),
    *_phrases(
        BESIDE, False,
        # politeness, who, when, wishes
        one_of(
            "您好 你好 你们好 你号 请问 请 麻烦 麻烦您 麻烦你 麻烦了 烦请 敬请 谢谢 谢谢您 谢谢你们 谢谢了 谢谢配合 谢谢合作 谢谢理解 劳驾 多谢 感谢 感谢配合 THANKS THANK YOU THX PLEASE PLS 辛苦 辛苦了 拜托 拜托了 求求你们 "
            "求求你 求你们 求你 求求 求 求放过 放过我 放过我吧 饶了我 饶了我吧 亲 亲亲 亲爱的 各位 大哥 大姐 哥 姐 美女 帅哥 老板 老铁 兄弟 老师 喂 哎 唉 嗨 HELLO HI 不好意思 抱歉 对不起 SORRY 好 好的 好了 嗯 嗯嗯 行 行了 知道了 知道 明白 收到 可以了 "
            "OK 那 就 也 才 嘛 吧 啊 呀 啦 哦 噢 喔 哈 呢 了 的 哎呀 天哪 我的天 行行好 帮帮忙 唔该 唔该晒 多谢晒 警告 警告你们 再次警告 严重警告 最后警告 最后一次警告 声明 本人声明 郑重声明 是的 对 这里 所以 希望理解 我说 说 呵呵 哈哈 呜呜"
        ),
        rf"(?:{v.ME}|{v.YOU})",
        one_of(
            "以后 今后 往后 从今以后 从今往后 从今天起 从现在起 从现在开始 即日起 从此 再也 永远 手机 号码 因此 因为 由于 并 并且 而且 另外 还有 总之 反正 真的 真心 诚心 实在 已经 早就 如果 要是 现在 立即 马上 都 全 全部 统统 一律 一个 一个都 "
            "能不能 可不可以 能否 可否 是否可以 是否 是不是可以 是不是该 可以 能 应该 该 希望 要求 强烈 强烈要求 想 要 再三 再次 正式 郑重 最后一次 最后 一次 其他 等 和 及 以及 与 对此 对此号码 对此号 对本号码 向本人 对我"
        ),
        # reasons
        rf"(?:这|本|此|我|该)?(?:个|的)?(?:手机|机主|号主)?(?:号码?|电话)?(?:早?就|现在|都)?已?(?:经)?{one_of('换号 换号码 换号主 换人 换主人 换主 换机主 换卡 不用 停用 易主 过户 换手机 更换 转让 故 去世 换人用 变更')}(?:了|啦)|"
        rf"(?:这|本|此|我|该)?(?:个|的)?(?:手机|机主|号主)?(?:号码?|电话)?已(?:经)?{one_of('换号 换号主 换人 停用 易主 更换 转让 过户 故 去世 换 变更 注销')}",
        rf"(?:这|此)?(?:是|号码是)?{some(one_of('我的 我'))}新(?:号码?|办的|卡|手机号)",
        rf"(?<![要别勿]){some(v.YOU)}{one_of('发错 打错 搞错 弄错 认错 找错 填错 留错')}{some(one_of('了 人 号码 号 电话 对象 手机'))}(?:吧|啊)?|(?:号码|电话)错了|错号",
        rf"{v.ME}?(?:也|又|并|根本|压根|都)?(?:不是|唔系|唔是)[\u4e00-\u9fff]{{1,6}}?(?:了)?(?=,|别|不|请|退|取|停|勿|莫|删|麻|滚|$)",
        rf"{v.ME}?{some(one_of('根本 压根 都 从来 从 也 又 和 跟'), v.YOU)}{one_of('不认识 不知道 没听说 没听说过 没关系 没有关系 没来往 没业务往来')}{some(v.YOU, one_of('是谁 是什么 任何'))}",
        rf"{v.ME}?{some(one_of('根本 压根 都 从来 从 也 又'))}{one_of('没 没有 未 未曾 从未')}(?:在|跟|和|同|与|到|去|给|向)?{v.YOU}?(?:那里?|这里?|店里?|公司)?{one_of('买 用 来 去 消费 注册 登记 办理 办 开通 接触 留 授权 同意 订 合作 借 贷 打交道 填 参加')}过"
        rf"{some(v.YOU, one_of('任何 这个 什么 啥 的 东西 会员 号码 电话 业务 服务 家 店 公司 产品 人 卡 贷款'))}",
        rf"{v.ME}?{one_of('没有孩子 没孩子 没小孩 没车 没房 没钱 没有钱 买不起 不买 不办 不玩 不做 不赌 不炒股 不贷款 是学生 是学生没钱 破产了 失业了 没工作 没空 没时间 没功夫 太远 太贵 不去 不参加 不想去 不信 没钱买 没空看 没时间看 没空理')}{some(v.YOU, one_of('了 房 车 东西 活动 的 这个'))}",
        rf"{some(one_of('房 房子 车 车子 孩子 小孩 宝宝 家里 我家 我 公司 保险 贷款 店'))}{some(one_of('已经 早就 刚 都 已'))}{one_of('买 办 装 装修 有 用 搬走 搬家 离职 退休 毕业 卖掉 卖 搬 大 长大 上大学 结婚 怀孕 生 关门 倒闭 转让 还清 不做 戒 不干 不开')}(?:过|好|完)?了|"
        rf"已(?:经)?{one_of('办理 办 购买 购 有 离职 退休 搬家 投保 装修')}(?=,|$)",
        rf"{v.ME}?(?:孩子)?(?:已经?|早就?)?不(?:在|住)[\u4e00-\u9fff]{{0,8}}?(?:住|上班|上学|工作|上课)?了",
        rf"{v.ME}?在{one_of('上课 开会 上班 国外 睡觉 休息 外地')}呢?|开会呢?|人在国外",
        rf"(?:这是|这|我是|是)?(?:{v.ME}的?)?{one_of('老人 老年人 孩子 小孩 公司 单位 工作 办公 儿童 学生 私人 家里 爸爸 妈妈 父亲 母亲 老妈 老爸 未成年人')}的?(?:手机|号码?|电话)",
        rf"{one_of('上班 工作 休息 开会 上课 午休 睡觉')}(?:时间|期间|时)?|{one_of('半夜 大半夜 深夜 晚上 中午 早上 凌晨 大清早 周末 晚上十点 大晚上')}(?:的)?",
        rf"{v.ME}?(?:并?未|没有?)(?:经|得到)?(?:过)?(?:{v.ME}|机主|用户)?的?{one_of('授权 同意 许可 允许')}(?:过)?{v.YOU}?(?:擅自)?(?:发送|就发|发)?{some(v.WHICH, v.MESSAGES)}",
        rf"{one_of('怎么 哪里 从哪 从哪里 哪儿 在哪 谁 为什么 凭什么')}{some(v.YOU, one_of('会 知道 弄来 弄到 弄 来 得到 搞到 搞来 有 拿到 给 把 泄露 告诉 买 的 了'))}我的?(?:手机)?(?:号码?|电话|信息)(?:的|啊|呢)?",
        rf"{some(one_of('已经 已 早就 都 我 APP 账号 卡 会员'))}{one_of('取关 拉黑 卸载 注销 销户 退会 退群 退费')}了?",
        # complaints and abuse
        rf"{v.STILL}(?:{v.SEND}|收到|收|来短信){_SENT}{some(v.WHICH, v.MESSAGES)}{some(one_of('个没完 个没完没了 个不停 不停 没完没了 几条 好几条 好几次 好多次 干嘛 干什么 烦不烦 累不累 啊 呢 呀 了 吗 发 你们 不累吗 有意思吗 有病'))}",
        rf"{one_of('谁让 谁叫 谁允许 谁同意 谁准 谁订阅 谁订的 谁给 谁订')}{some(v.YOU, v.TO_ME, v.SEND, v.WHICH, v.MESSAGES, '了')}",
        rf"{some(v.YOU, one_of('真 真的 好 太 很 特别 非常 十分 实在 简直 都 快 要 被 把我 越来越 严重 已经 极其 超级 有点 发 短信 消息'))}{v.FED_UP}{some(one_of('了 啊 的 呀 你们 吗 人 我'))}",
        rf"{some(v.YOU)}{v.ABUSE}{some(one_of('啊 的 了 吧 吗'))}",
        rf"{one_of('否则 不然 不然的话 要不然 要不 再这样 再不停 还这样 再有下次 下次 再发 再收到 还发 我 信不信 信不信我 要么')}?(?:{v.THREAT})",
        rf"{one_of('已 已经 我已经 刚 我要 我会 准备 保留 我已')}{some(one_of('截图 录音 取证 向 在 到 去 打 电话 拨打'), v.OFFICE)}{v.COMPLAIN}{some(v.YOU, v.OFFICE, one_of('了 的 权利'))}",
        rf"(?:侵犯|泄露|泄漏){some(one_of('我 我的 个人 公民 他人 了'))}(?:隐私|信息|权利|权益)|(?:属于?|是|都是|这是|已|涉嫌)*+(?:违法|侵权|违规|犯罪)(?:行为|了|的)?|犯法了?|{one_of('根据 按照 依据')}?{one_of('消费者权益保护法 个人信息保护法 法律规定 广告法 规定')}",
        rf"{v.ME}?{some(one_of('都 已经 已 早就'))}{one_of('说 讲 回复 回 讲过 说过 要求')}{some(one_of('过 了 TD T 多少 好 几 很多 无数 第 遍 次 几次 N次 一 二 两 三 四 五 六 七 八 九 十 多'))}(?:遍|次)?了?",
    ),
]  # fmt: skip
_REFUSALS = [phrase for phrase in PHRASES if phrase[0] == REFUSAL]
_KEYWORD = re.compile(
    rf"(?:请|我)?{one_of('回复 回覆 回 发送 编辑 发 复 打 短信')}?(?<![0-9A-Z])([0-9A-Z]{{1,11}})(?![0-9A-Z])(?:即可|可|以)?(?:{v.UNSUBSCRIBE}|{v.CANCEL}|{v.STOP_NOW})?"
)
_ENDS = "了吗啊吧呢呀哈嘛啦"
"""Characters behind which a sentence may end where nobody wrote a comma."""


def read_phrases(clauses: str, is_keyword: Callable[[str], bool]) -> Said | None:
    """What phrases say that cover clauses, divided by commas, up to the last character: from the first, or from where a sentence may
    begin (``whole``). None where no phrases do. Of several ways to cover them the strongest counts, a whole one before any other."""
    best: dict[int, Said] = {0: Said(BESIDE)}
    for start, character in enumerate(clauses):
        said = best.get(start)
        if character == ",":
            if said is not None:
                _keep(best, start + 1, said)
            continue
        begins = said is None and start > 0 and clauses[start - 1] in _ENDS
        for kind, orders, pattern in PHRASES if said is not None or begins else _REFUSALS:
            match = pattern.match(clauses, start)
            if match is not None and match.end() > start:
                before = said or Said(BESIDE, whole=False)
                _keep(best, match.end(), Said(max(kind, before.kind), before.whole, before.orders or orders, before.keyword))
        match = _KEYWORD.match(clauses, start) if said is not None else None
        if said is not None and match is not None and is_keyword(match[1]):
            _keep(best, match.end(), Said(max(STOP, said.kind), said.whole, said.orders, match[1]))
    return best.get(len(clauses))


def _keep(best: dict[int, Said], end: int, said: Said) -> None:
    if end not in best or (said.whole, said.kind, said.orders) > (best[end].whole, best[end].kind, best[end].orders):
        best[end] = said
