// What HTML alone cannot: `/` leads to the search field, some buttons ask first, dialogs take the focus, the menu closes on small screens, long pages
// have links to their headings.
"use strict";
(function () {
  const small = window.matchMedia("(max-width: 860px)");
  function fold() {
    const menu = document.querySelector("details.menu");
    if (menu) menu.open = !small.matches;
  }
  small.addEventListener("change", fold);
  fold();

  document.addEventListener("keydown", function (event) {
    const at = event.target;
    const typing = at instanceof HTMLElement && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName));
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const field = document.querySelector("[data-search]");
      if (field) {
        event.preventDefault();
        field.focus();
        field.select();
      }
    }
    if (event.key === "Escape") {
      document.querySelectorAll("details.dialog[open]").forEach(function (one) {
        const inside = one.contains(document.activeElement);
        one.open = false;
        if (inside) one.querySelector("summary").focus();
      });
    }
  });

  // A dialog that opens takes the focus to its first field, else to its first button.
  document.addEventListener("toggle", function (event) {
    const dialog = event.target;
    if (!(dialog instanceof HTMLDetailsElement) || !dialog.open || !dialog.matches(".dialog")) return;
    const sheet = dialog.querySelector(".sheet");
    const first = sheet.querySelector("input:not([type=hidden]):not([disabled]), select, textarea") || sheet.querySelector("button, a[href]");
    if (first) first.focus();
  }, true);

  document.addEventListener("submit", function (event) {
    const words = event.target.dataset.confirm;
    if (words && !window.confirm(words)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    const button = event.submitter;
    const stays = "keeps" in event.target.dataset || event.target.hasAttribute("hx-post"); // a download, a part: the page is there afterwards
    if (button && event.target.method === "post" && !stays) {
      window.setTimeout(function () { button.disabled = true; }, 0); // a double click is one
    }
  }, true);

  // Editors: numbers beside the lines, those with a mistake marked; a button that names a line leads to it.
  function numbered(editor) {
    const text = editor.querySelector("textarea");
    const gutter = editor.querySelector(".gutter");
    const wrong = new Set(Array.from(document.querySelectorAll(".wrong [data-line]"), function (one) { return Number(one.dataset.line); }));
    gutter.replaceChildren();
    const count = text.value.split("\n").length;
    for (let line = 1; line <= count; line++) {
      const one = document.createElement(wrong.has(line) ? "b" : "span");
      one.textContent = line + "\n";
      gutter.append(one);
    }
    gutter.scrollTop = text.scrollTop;
  }
  function goTo(text, line) {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] || "").length);
    text.scrollTop = Math.max(0, (text.scrollHeight / lines.length) * (line - 4));
    text.scrollIntoView({ block: "nearest" });
  }
  document.querySelectorAll("[data-editor]").forEach(function (editor) {
    const text = editor.querySelector("textarea");
    numbered(editor);
    text.addEventListener("input", function () { numbered(editor); });
    text.addEventListener("scroll", function () { editor.querySelector(".gutter").scrollTop = text.scrollTop; });
    document.addEventListener("htmx:afterSwap", function () { numbered(editor); });
    document.addEventListener("click", function (event) {
      const button = event.target.closest("[data-line]");
      if (button) goTo(text, Number(button.dataset.line));
    });
    if (editor.dataset.at) goTo(text, Number(editor.dataset.at));
    const came = text.value;
    let sent = false;
    text.form.addEventListener("submit", function () { sent = true; });
    window.addEventListener("beforeunload", function (event) { // a draft lives here only
      if (text.value !== came && !sent) event.preventDefault();
    });
  });

  // A page of more than two screens gets links to its headings, and to its top.
  const jump = document.querySelector("nav.jump");
  function fillJump() {
    if (!jump) return;
    const main = document.getElementById("content");
    jump.hidden = main.scrollHeight - jump.offsetHeight <= 2 * window.innerHeight;
    if (jump.hidden) return;
    const heads = Array.from(main.querySelectorAll("h2")).filter(function (one) { return one.checkVisibility(); });
    const links = heads.map(function (one, place) {
      one.id = one.id || "part-" + place;
      const words = Array.from(one.childNodes).find(function (node) { return node.textContent.trim(); });
      return [one.id, words ? words.textContent.trim() : one.id];
    });
    jump.replaceChildren();
    links.concat([["content", jump.dataset.top]]).forEach(function (link) {
      const made = document.createElement("a");
      made.href = "#" + link[0];
      made.textContent = link[1];
      jump.append(made);
    });
  }
  window.addEventListener("resize", fillJump);
  if (jump) new ResizeObserver(fillJump).observe(document.getElementById("content"));

  // A page that the browser kept is as old as it looks: buttons work again.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
  });
})();
