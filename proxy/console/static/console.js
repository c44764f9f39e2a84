// What HTML alone cannot: `/` leads to the search field, some buttons ask first, the menu closes on small screens.
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
      document.querySelectorAll("details.dialog[open]").forEach(function (one) { one.open = false; });
    }
  });

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

  // A page that the browser kept is as old as it looks: buttons work again.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
  });
})();
