// What HTML alone cannot: `/` leads to the search field, some buttons ask first, dialogs take the focus, the menu closes on small screens, long pages
// have links to their headings, parts fold on small screens, a complaint about a form is led to.
"use strict";
(function () {
  const small = window.matchMedia("(max-width: 860px)");
  function fold() {
    const menu = document.querySelector("details.menu");
    if (menu) menu.open = !small.matches;
  }
  small.addEventListener("change", fold);
  fold();

  // Parts of a long page: folded on a small screen; a link to one opens it.
  function foldParts(within) {
    within.querySelectorAll("details.fold").forEach(function (one) { one.open = !small.matches; });
  }
  small.addEventListener("change", function () { foldParts(document); });
  document.addEventListener("htmx:load", function (event) { foldParts(event.detail.elt); });
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[href^='#']");
    const part = link && document.getElementById(link.hash.slice(1));
    const folded = part && part.closest("details.fold");
    if (folded) folded.open = true;
  });

  // What a form was refused for: on a page that answers one, or in a part that takes a place.
  function leadToProblem(within) {
    const problem = within.querySelector(".problem[role=alert]");
    if (!problem) return;
    problem.tabIndex = -1;
    problem.focus();
    problem.scrollIntoView({ block: "nearest" });
  }
  const came = performance.getEntriesByType("navigation")[0];
  if (came && came.responseStatus >= 400) leadToProblem(document.getElementById("content"));
  document.addEventListener("change", function (event) { // what is filled in after the file alters what it would store
    const field = event.target, seen = field.form && field.form.querySelector("#seen"), file = seen && field.form.elements.file;
    if (file && file.files.length && field.type !== "file" && field.name !== "why" && !seen.contains(field))
      htmx.trigger(field.form.querySelector("button[hx-target='#seen']"), "again");
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    const by = event.detail.requestConfig.triggeringEvent;
    if (by && (by.type === "submit" || by.type === "click" || by.type === "change" && by.target.type === "file")) {
      const place = document.getElementById(event.detail.target.id);
      if (place && place.id) leadToProblem(place);
    }
  });

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

  // A share of the numbers goes with shadow.
  document.addEventListener("input", function (event) {
    const shadow = event.target.name === "share" && event.target.form && event.target.form.querySelector("input[name=mode][value=shadow]");
    if (shadow && event.target.value) shadow.checked = true;
  }, true);

  // A time to which messages are put off says that they are put off.
  document.addEventListener("input", function (event) {
    const fields = event.target.form ? event.target.form.elements : {};
    if (!fields.defer_until || !fields.then) return;
    if (event.target.name === "defer_until" && event.target.value) fields.then.value = "defer";
    if (event.target.name === "then" && event.target.value === "reject") fields.defer_until.value = "";
  }, true);

  // Editors: the textarea becomes an editor that marks what the check beside it found; a button that names a line leads to it.
  function plain(text) { // where the editor's script did not come: the textarea itself
    return {
      mark: function () {},
      goTo: function (line) {
        const lines = text.value.split("\n");
        const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
        text.focus();
        text.setSelectionRange(start, start + (lines[line - 1] || "").length);
        text.scrollTop = Math.max(0, (text.scrollHeight / lines.length) * (line - 4));
        text.scrollIntoView({ block: "nearest" });
      },
    };
  }
  document.querySelectorAll("[data-editor]").forEach(function (place) {
    const text = place.querySelector("textarea");
    const label = text.getAttribute("aria-label");
    const editor = window.gate106Editor ? window.gate106Editor(text, { label: label, words: JSON.parse(place.dataset.words) }) : plain(text);
    let kept = text.value;
    document.addEventListener("htmx:afterSwap", function () {
      editor.mark(Array.from(document.querySelectorAll("#check .wrong, #check .fails"), function (one) {
        const button = one.querySelector("[data-line]"); // none for a line of another file
        return button && {
          line: Number(button.dataset.line), message: one.textContent.replace(button.textContent, "").trim(),
          severity: one.classList.contains("wrong") ? "error" : "warning",
        };
      }).filter(Boolean));
    });
    document.addEventListener("click", function (event) {
      const button = event.target.closest("[data-line]");
      if (button) editor.goTo(Number(button.dataset.line));
    });
    if (place.dataset.at) editor.goTo(Number(place.dataset.at));
    text.addEventListener("htmx:afterRequest", function (event) { // each check keeps the draft
      if (event.detail.successful) kept = event.detail.requestConfig.parameters.text;
    });
    let sent = false;
    text.form.addEventListener("submit", function () { sent = true; });
    window.addEventListener("beforeunload", function (event) { // typed in the last second: not kept yet
      if (text.value !== kept && !sent) event.preventDefault();
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
    jump.classList.remove("long");
    jump.classList.toggle("long", jump.scrollHeight > jump.clientHeight + 1); // all links are seen, at the page's top
  }
  window.addEventListener("resize", fillJump);
  document.addEventListener("htmx:afterSettle", fillJump); // headings that came anew have no names yet
  if (jump) new ResizeObserver(fillJump).observe(document.getElementById("content"));

  // Saved searches: queries of one user in this browser, by name, without the number of a person.
  document.querySelectorAll("[data-saved]").forEach(function (box) {
    const key = "gate106.searches." + box.dataset.saved;
    const form = box.querySelector("form");
    let saved = {};
    try { saved = JSON.parse(localStorage.getItem(key)) || {}; } catch (error) { saved = {}; }
    function show() {
      const rows = Object.keys(saved).sort().map(function (name) {
        const row = box.querySelector("template").content.firstElementChild.cloneNode(true);
        row.querySelector("a").textContent = name;
        row.querySelector("a").href = "/find?" + new URLSearchParams(saved[name]);
        row.querySelector("button").addEventListener("click", function () { delete saved[name]; keep(); });
        return row;
      });
      box.querySelector("ul").replaceChildren(...rows);
      box.hidden = !rows.length && !form;
    }
    function keep() {
      localStorage.setItem(key, JSON.stringify(saved));
      show();
    }
    if (form) form.addEventListener("submit", function (event) {
      event.preventDefault();
      const asked = Array.from(new URLSearchParams(window.location.search)).filter(function (one) { return one[1] && one[0] !== "to" && one[0] !== "skip"; });
      saved[form.elements.name.value.trim()] = asked;
      form.reset();
      keep();
    });
    show();
  });

  // A page that the browser kept is as old as it looks: buttons work again.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
  });
})();
