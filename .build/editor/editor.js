// The editor of rules files, for the console: `make editor` bundles it into proxy/console/static/editor.min.js.
// It replaces a textarea of a form, which keeps the text: what htmx sends and what works without a script stay as they are.
// It stands in a shadow root, because its style sheets are constructed there: the console's policy allows no inline style.
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { yaml } from "@codemirror/legacy-modes/mode/yaml";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorSelection, EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: [tags.definition(tags.propertyName), tags.atom, tags.propertyName], color: "var(--accent-ink)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--good)" },
  { tag: [tags.number, tags.keyword, tags.bool], color: "var(--warn)" },
]);
const look = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--field, var(--paper))", border: "1px solid var(--line)", borderRadius: "8px", overflow: "hidden" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
  ".cm-scroller": { font: "13px/1.6 var(--mono)", height: "62vh", minHeight: "280px" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--soft)", border: "none" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--tint) 45%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "color-mix(in srgb, var(--accent) 28%, transparent)" },
  // The lint extension's own marks are pictures in data: addresses, which the console's policy forbids.
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--warn)" },
  ".cm-lint-marker": { content: "normal !important", borderRadius: "50%", width: "9px", height: "9px", margin: "6px 2px" },
  ".cm-lint-marker-error": { backgroundColor: "var(--bad)" },
  ".cm-lint-marker-warning": { backgroundColor: "var(--warn)" },
  ".cm-error-text": { backgroundColor: "var(--bad-tint)" },
  ".cm-warning-text": { backgroundColor: "var(--warn-tint)" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--paper)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--ground)", color: "var(--ink)", border: "1px solid var(--line)", borderRadius: "6px" },
  ".cm-textfield": { backgroundColor: "var(--field, var(--paper))", color: "var(--ink)", border: "1px solid var(--line)" },
  ".cm-panel.cm-search [name=close]": { color: "var(--ink)" },
  ".cm-searchMatch": { backgroundColor: "var(--warn-tint)", outline: "1px solid var(--warn)" },
  ".cm-diagnostic": { font: "13px/1.5 system-ui, sans-serif", maxWidth: "46em" },
});

// `words`: of the editor's own panels, in the language of the page. Returns what the page needs: lines to mark, a line to go to.
window.gate106Editor = function (area, { label, words }) {
  const host = document.createElement("div");
  host.className = "code-host";
  area.before(host);
  const root = host.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        lineNumbers(), lintGutter(), highlightSpecialChars(), history(), drawSelection(), highlightActiveLine(), highlightSelectionMatches(),
        search({ top: true }), StreamLanguage.define(yaml), syntaxHighlighting(colours), indentUnit.of("  "), look,
        EditorState.phrases.of(words), EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
        // Typed over a selection: the browser itself would carry its colours over as inline styles, which the console's policy forbids.
        EditorView.domEventHandlers({
          beforeinput(event, at) {
            if (event.inputType !== "insertText" || !event.data || at.composing || at.state.selection.main.empty) return false;
            event.preventDefault();
            at.dispatch(at.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
            return true;
          },
        }),
        keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          area.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    }),
  });
  area.hidden = true;
  const lineAt = (number) => view.state.doc.line(Math.min(Math.max(1, number), view.state.doc.lines));
  return {
    mark(faults) { // [{line, message, severity}]
      view.dispatch(setDiagnostics(view.state, faults.map(({ line, message, severity }) => {
        const { from, to, text } = lineAt(line);
        return { from: from + (text.length - text.trimStart().length), to, message, severity, markClass: `cm-${severity}-text` };
      })));
    },
    goTo(number) {
      const { from, to } = lineAt(number);
      view.dispatch({ selection: EditorSelection.range(from, to), effects: EditorView.scrollIntoView(from, { y: "center" }) });
      view.focus();
      host.scrollIntoView({ block: "nearest" });
    },
  };
};
