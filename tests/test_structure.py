"""The package's structure is held by figures: rooms, imports, names and the first line of each docstring.

Each check is a function over a folder or over the settings of the import checker, so that a seeded mistake shows that it can fail.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parent.parent
PROXY = TOP / "proxy"

FOLDERS_MAX, MODULES_MAX, LAYERS_MAX = 20, 30, 20
PUBLIC_CLASSES_MAX, CLASSES_MAX, FILE_NAMES_MAX = 20, 40, 25
"""Names that may stand in more than one module (classes) or folder (files)."""
PACKAGE_DOCSTRING_LINES_MAX, FIRST_LINE_WORDS_MAX = 25, 12

IMPORTS_BY_NAME = {
    "proxy/console/app.py": "a file desk/*/page.py or routes.py is a page's registration",
    "proxy/desk/api/declarations.py": "a file operations.py, command.py … of a feature is the registration of what it declares",
    "proxy/console/fork_server.py": "a child process loads what the console names, before it is asked for a page",
    "proxy/native/loader.py": "compiled modules exist only where a C compiler built them",
    "proxy/policy/kinds/__init__.py": "a file kinds/*.py is the registration of a rule condition",
    "proxy/policy/registries/regions.py": "finds a data file of the package phone without running that package",
    "proxy/runtime/build_info.py": "reads the version of this package",
    "proxy/runtime/extras.py": "asks whether optional libraries are installed, and imports none",
    "proxy/sim/measure.py": "reads the versions of installed packages",
    "proxy/state/__init__.py": "a file stores/*.py is the registration of a store",
}
"""Modules that may use importlib, pkgutil, runpy or __import__, with the reason."""

MIRRORED = {
    "__init__": "each folder has one",
    "operations": "the operations of a feature, and the room of their machinery",
    "page": "the page of a feature",
    "command": "the commands of a feature beside the gate",
    "book": "the pure state of a feature",
    "offline_html": "the result of a feature as one HTML page",
    "paper": "the result of a feature as a PDF",
}
"""File names that repeat in the folders of features on purpose."""

FIELD_NAMES = {
    "chains": "batching", "judging": "admission", "deciding": "rule_program", "decided": "multipart decision", "handover": "commit",
    "transit": "pending_submit", "underway": "batch_window", "way_back": "deliver", "arrivals": "deliver_batch",
    "hearing": "optout_reply", "replies": "optout_reply", "manners": "OptOutSettings", "sent": "message_index",
    "refusals": "refusal_cache", "grounds": "evidence_records",
    "long": "multipart", "parts": "multipart handler", "board": "multipart shared", "sheet": "multipart record",
    "sights": "multipart record", "posting": "multipart transaction",
    "officer": "suppression", "listing": "list_import", "in_pieces": "chunked", "heldoff": "lockout", "doorkeeper": "authenticator",
    "twice": "recency_filter", "numbered": "sequence_window", "tally": "counters", "apart": "counters_by_signature", "sieve": "bloom",
    "gently": "background", "rest": "yield_point", "beats": "ticker", "arenas": "allocator", "cores": "cpu_affinity",
    "garbage": "gc_policy", "private": "hardening",
    "standing": "health", "upkeep": "maintenance", "driving": "relay_task", "resuming": "recovery", "operating": "control_plane",
    "revising": "rule_deployment", "revising_together": "rule_deployment", "revisions": "rule_revisions", "kept": "revision_store",
    "proposal": "candidate",
    "agreed": "rule_agreement", "agreeing": "agreement_exchange", "sharing": "replication", "post": "forwarding",
    "overtaken": "truncated_copy",
    "namer": "pseudonym", "names": "pseudonym_key", "shown": "redact", "said": "text", "wording": "labels", "phrasebook": "catalog",
    "tongues": "negotiate",
    "desk": "journal", "box": "deliver_queue", "owing": "write_behind", "words": "write_behind", "told": "idempotency",
    "doors": "listeners", "turnstile": "scheduler", "allotting": "leases", "proxied": "proxy_protocol",
    "door": "authorization", "guard": "http_auth", "looks": "access_log", "lifeline": "worker_channel", "warden": "penalty_scheduler",
    "crew": "pool", "front": "http",
    "nursery": "fork_server", "foresight": "prefetch", "workshop": "rule_sandbox", "guided": "rule_wizard", "worded": "rule_text",
    "house": "App", "visit": "Request", "way": "Route",
    "ahead": "segment_index", "seam": "continuity", "steady": "atomic_files", "rests": "coverage", "heads": "signed_heads",
    "kin": "related_senders", "moments": "time_windows", "shards": "keyword_prefilter", "spread": "dict",
    "spoken": "phrases", "mending": "suggestions", "doubts": "warnings",
    "twins": "native", "hot": "one typed source", "compiled": "loader", "pure": "one typed source",
}  # fmt: skip
"""Words of a private language, with the field's name for what each was: no module and no public class bears one."""

FIELD_NAMES_HERE = {
    "proxy/desk": "the desk is the compliance staff's; the write-ahead log is the journal",
    "proxy/desk/revisions": "the feature's name in commands and on pages; its module is rule_revisions",
    "proxy/journal/records/revisions.py": "records of that feature",
    "proxy/policy/replies": "reads replies of recipients; the settings of opt-outs are OptOutSettings",
}
"""Where such a word is the field's, with the reason."""

FIELD_NAMES_WITHIN = {
    "desk": "the compliance staff's", "guard": "a check before the application", "long": "long messages, and plain length",
    "parts": "of a long message", "proposal": "a change that waits for its approval", "replies": "of recipients",
    "revisions": "of the rules", "sent": "a PDU or record that was sent", "sheet": "of a spreadsheet",
    "wording": "of a confirmation, which an officer approves",
}  # fmt: skip
"""Words that are the field's beside others in a class name (LongMessage), with the meaning."""


# -- reading


def sources(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.suffix in {".py", ".pyx"} and "_shipped" not in path.parts)


def label(path: Path, package: Path) -> str:
    return path.relative_to(package.parent).as_posix()


@cache
def parsed_text(text: str) -> ast.Module:
    return ast.parse(text)


def parsed(path: Path) -> ast.Module:
    return parsed_text(path.read_text(encoding="utf-8"))


def statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All statements, also in functions and branches: a tenth of what ``ast.walk`` passes by."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "handlers", "finalbody", "cases"):
            yield from statements(getattr(node, inner, ()))


def dotted(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def classes(tree: ast.Module) -> Iterator[str]:
    return (node.name for node in statements(tree.body) if isinstance(node, ast.ClassDef))


# -- checks: each gives what is wrong, a line each


def crowded(package: Path) -> list[str]:
    wrong = [
        f"proxy/{path.name}: lies loose" for path in package.glob("*.py") if path.name not in {"__init__.py", "__main__.py"}
    ]
    folders: dict[Path, int] = defaultdict(int)
    for path in sources(package):
        folders[path.parent] += path.name != "__init__.py"
    wrong += [f"{label(folder, package)}: {count} modules" for folder, count in folders.items() if count > MODULES_MAX]
    rooms = {path.relative_to(package).parts[0] for path in sources(package) if path.parent != package}
    return wrong + [f"proxy: {len(rooms)} folders"] * (len(rooms) > FOLDERS_MAX)


def open_contracts(settings: Mapping[str, Any]) -> list[str]:
    """Of the import checker: what its contracts leave open."""
    wrong = ["imports for types only are not checked"] if settings.get("exclude_type_checking_imports") else []
    contracts = [one for one in settings["contracts"] if one["type"] == "layers"]
    for container in ("proxy", "proxy.desk"):
        found = [one for one in contracts if one["containers"] == [container]]
        if len(found) != 1:
            wrong.append(f"{container}: {len(found)} contracts of layers")
            continue
        layers = found[0]["layers"]
        if not found[0].get("exhaustive") or set(found[0].get("exhaustive_ignores", ())) > {"_shipped"}:
            wrong.append(f"{container}: not exhaustive")
        if len(layers) > LAYERS_MAX:
            wrong.append(f"{container}: {len(layers)} layers")
        wrong += [f"{container}: members of a layer may import each other: {layer}" for layer in layers if ":" in layer]
    return wrong + [f"{one['name']}: ignores imports" for one in settings["contracts"] if one.get("ignore_imports")]


def imported(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Modules of the package and the names taken from each, also in functions and under TYPE_CHECKING."""
    for node in statements(parsed_text(text).body):
        if isinstance(node, ast.Import):
            yield from ((name.name, ()) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or "", tuple(name.name for name in node.names)


FROM = re.compile(r"^[ \t]*(?:from +proxy[\w.]* +c?import +(?:\([^)]*\)|[^(\n]+)|import +proxy[^\n]*)", re.MULTILINE)
"""An import of the package in a .pyx, which no parser of Python reads."""


def import_graph(package: Path) -> dict[str, set[str]]:
    modules = {dotted(path, package) for path in sources(package)}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for path in sources(package):
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            text = "\n".join(statement.strip().replace(" cimport ", " import ") for statement in FROM.findall(text))
        for base, names in imported(text):
            if base.partition(".")[0] == "proxy":
                assert base in modules, f"{label(path, package)} imports {base}, which is no module"
                whole = {f"{base}.{name}" if f"{base}.{name}" in modules else base for name in names} or {base}
                graph[dotted(path, package)] |= whole - {dotted(path, package)}
    return graph


def cycle(package: Path) -> list[str]:
    """The modules of one cycle, if there is any."""
    try:
        TopologicalSorter(import_graph(package)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def imports_by_name(package: Path) -> set[str]:
    pattern = re.compile(r"^[ \t]*(?:from|import) +(?:importlib|pkgutil|runpy|imp)\b|\b__import__\(", re.MULTILINE)
    return {label(path, package) for path in sources(package) if pattern.search(path.read_text(encoding="utf-8"))}


def repeated_classes(package: Path) -> dict[str, list[str]]:
    where: dict[str, set[str]] = defaultdict(set)
    for path in package.rglob("*.py"):
        for name in classes(parsed(path)):
            where[name].add(label(path, package))
    return {name: sorted(paths) for name, paths in sorted(where.items()) if len(paths) > 1}


def repeated_files(package: Path) -> dict[str, list[str]]:
    where: dict[str, set[str]] = defaultdict(set)
    for path in package.rglob("*.py"):
        where[path.stem].add(label(path.parent, package))
    for name in MIRRORED:
        where[name] = {folder for folder in where[name] if name != "__init__" and not folder.startswith("proxy/desk/")}
    where_kinds = "proxy/policy/kinds"  # a file there is named as the condition in rule files
    return {name: sorted(found) for name, found in sorted(where.items()) if len(found - {where_kinds}) > 1}


def private_words(package: Path) -> list[str]:
    found = {path for source in sources(package) for path in (source, *source.parents) if path.is_relative_to(package)} - {
        package
    }
    wrong = [
        f"{label(path, package)}: {FIELD_NAMES[path.stem]}"
        for path in sorted(found)
        if path.stem in FIELD_NAMES and label(path, package) not in FIELD_NAMES_HERE
    ]
    for path in sources(package):
        wrong += [f"{label(path, package)}: class {name}: {word}" for name in class_names(path) if (word := field_name(name))]
    return wrong


COMPILED_CLASS = re.compile(r"^[ \t]*(?:cdef[ \t]+|cpdef[ \t]+)?class[ \t]+(\w+)", re.MULTILINE)


def class_names(path: Path) -> Iterator[str]:
    if path.suffix == ".py":
        return classes(parsed(path))
    return iter(dict.fromkeys(COMPILED_CLASS.findall(path.read_text(encoding="utf-8"))))


def field_name(class_name: str) -> str | None:
    """The field's name for a private word that is a class name, or stands in one; None if there is no such word."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", class_name)]
    for length in range(len(words), 0, -1):
        for first in range(len(words) - length + 1):
            found = "_".join(words[first : first + length])
            whole = length == len(words) and not class_name.startswith("_")
            if found in FIELD_NAMES and (whole or found not in FIELD_NAMES_WITHIN):
                return FIELD_NAMES[found]
    return None


def poor_first_lines(package: Path) -> list[str]:
    wrong = []
    for path in sorted(package.rglob("*.py")):
        first, *_ = (ast.get_docstring(parsed(path)) or "").splitlines() or [""]
        words = len(first.split())
        if not 0 < words <= FIRST_LINE_WORDS_MAX or not first.endswith("."):
            wrong.append(f"{label(path, package)}: {words} words: {first}")
    return wrong


# -- the package


def settings() -> Mapping[str, Any]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    return dict(project["tool"]["importlinter"])


def lines(wrong: Iterable[object]) -> str:
    return "\n".join(map(str, wrong))


def test_few_folders_and_few_modules_in_each() -> None:
    assert not crowded(PROXY)


def test_one_exhaustive_contract_orders_the_rooms_and_one_the_features() -> None:
    assert not open_contracts(settings())


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not cycle(PROXY)


IN_C_MAX, WHERE_COMPILED_MAX = 2500, 150
"""Lines in Cython and C, and lines that only run where they are compiled."""


def test_what_is_written_in_cython_is_little_and_says_why() -> None:
    """All else is Python, which may be compiled as it is: nothing exists twice."""
    found = [path for path in PROXY.rglob("*") if path.suffix in {".pyx", ".pxi", ".pxd", ".c", ".h"}]
    assert {path.parent for path in found} == {PROXY / "native"}
    texts = {path.name: path.read_text(encoding="utf-8") for path in found}
    assert not [name for name in texts if name.endswith(".pxi")]
    assert sum(len(text.splitlines()) for text in texts.values()) <= IN_C_MAX
    said = {name for name, text in texts.items() if re.search(r"^It is (written in )?C because ", text, re.MULTILINE)}
    assert said >= {name for name in texts if name.endswith(".pyx")}


def test_few_lines_run_only_where_they_are_compiled_or_only_where_not() -> None:
    assert sum(map(where_compiled, PROXY.rglob("*.py"))) <= WHERE_COMPILED_MAX


def where_compiled(path: Path) -> int:
    """Lines of branches on ``cython.compiled``; no branch asks the loader."""
    text = path.read_text(encoding="utf-8")
    if path.name != "loader.py":
        assert not re.search(r"^ *@compiled\b|\bPURE\b", text, re.MULTILINE), path
    if "cython.compiled" not in text:
        return 0
    branches = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.If) and "cython.compiled" in ast.unparse(node.test)
    ]
    return sum((node.end_lineno or 0) - node.lineno + 1 for node in branches)


def test_modules_are_imported_by_name_in_listed_places_only() -> None:
    assert imports_by_name(PROXY) == set(IMPORTS_BY_NAME)


def test_a_class_name_stands_in_one_module() -> None:
    found = repeated_classes(PROXY)
    assert len(found) <= CLASSES_MAX, lines(found.items())
    public = {name: paths for name, paths in found.items() if not name.startswith("_")}
    assert len(public) <= PUBLIC_CLASSES_MAX, lines(public.items())


def test_a_file_name_stands_in_one_folder() -> None:
    found = repeated_files(PROXY)
    assert len(found) <= FILE_NAMES_MAX, f"{len(found)} of at most {FILE_NAMES_MAX}:\n{lines(found.items())}"


def test_modules_and_public_classes_bear_the_fields_names() -> None:
    wrong = private_words(PROXY)
    assert not wrong, lines(wrong)
    assert all((TOP / path).exists() for path in FIELD_NAMES_HERE)


def test_the_package_is_introduced_on_one_screen() -> None:
    docstring = ast.get_docstring(parsed(PROXY / "__init__.py"))
    assert docstring
    assert len(docstring.splitlines()) <= PACKAGE_DOCSTRING_LINES_MAX


def test_the_first_line_of_a_module_is_one_short_sentence() -> None:
    wrong = poor_first_lines(PROXY)
    assert not wrong, f"{len(wrong)} modules:\n{lines(wrong)}"


# -- seeded mistakes


def package(folder: Path, files: Mapping[str, str]) -> Path:
    """A package of these files, each folder with an __init__.py."""
    for name, text in {"__init__.py": '"""A package."""', **files}.items():
        path = folder / "proxy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if not (path.parent / "__init__.py").exists():
            (path.parent / "__init__.py").write_text('"""A folder."""')
    return folder / "proxy"


def test_seeded_a_loose_module_a_crowded_folder_and_too_many_rooms(tmp_path: Path) -> None:
    found = package(tmp_path, {"loose.py": ""})
    assert crowded(found) == ["proxy/loose.py: lies loose"]
    (found / "loose.py").unlink()
    package(
        tmp_path,
        {f"room/m{number}{suffix}": "" for number in range(10) for suffix in (".py", ".pyx")}
        | {f"room/n{number}.py": "" for number in range(10)},
    )
    package(tmp_path, {f"room{number}/m.py": "" for number in range(19)})
    assert not crowded(found), "__init__.py is the folder itself"
    package(tmp_path, {"room/more.py": "", "other/m.py": ""})
    assert crowded(found) == ["proxy/room: 31 modules", "proxy: 21 folders"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exhaustive": False}, "proxy: not exhaustive"),
        ({"exhaustive_ignores": ["_shipped", "sim"]}, "proxy: not exhaustive"),
        ({"layers": ["cli", "archive : net"]}, "proxy: members of a layer may import each other: archive : net"),
        ({"layers": [f"room{number}" for number in range(21)]}, "proxy: 21 layers"),
        ({"containers": ["proxy.relay"]}, "proxy: 0 contracts of layers"),
        ({"ignore_imports": ["proxy.net -> proxy.cli"]}, "rooms: ignores imports"),
    ],
)
def test_seeded_an_open_contract(change: dict[str, object], says: str) -> None:
    rooms = {"name": "rooms", "type": "layers", "containers": ["proxy"], "exhaustive": True, "layers": ["cli", "net"]}
    features = {**rooms, "name": "features", "containers": ["proxy.desk"]}
    assert not open_contracts({"contracts": [rooms, features]})
    assert open_contracts({"contracts": [{**rooms, **change}, features]}) == [says]


@pytest.mark.parametrize(
    "back",
    [
        "import proxy.a.one",
        "from proxy.a import one",
        "from proxy.a.one import Name",
        "def function():\n    from proxy.a.one import Name",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from proxy.a.one import Name",
    ],
)
def test_seeded_a_cycle(tmp_path: Path, back: str) -> None:
    found = package(
        tmp_path,
        {"a/one.py": "from proxy.b import two", "b/two.py": "from proxy.c import three", "c/three.py": "import proxy.a"},
    )
    assert not cycle(found)
    package(tmp_path, {"c/three.py": back})
    assert set(cycle(found)) == {"proxy.a.one", "proxy.b.two", "proxy.c.three"}


@pytest.mark.parametrize("text", ["    from proxy.a import (\n        one,\n    )\n", "cdef f():\n    import proxy.a.one\n"])
def test_seeded_a_cycle_through_compiled_text(tmp_path: Path, text: str) -> None:
    found = package(tmp_path, {"a/one.py": "import proxy.native.part", "native/part.pyx": text})
    assert set(cycle(found)) == {"proxy.a.one", "proxy.native.part"}


@pytest.mark.parametrize(
    "text", ["import importlib", "from importlib import import_module", "import pkgutil", '__import__("x")']
)
@pytest.mark.parametrize("name", ["room/module.py", "native/part.pyx"])
def test_seeded_an_import_by_name(tmp_path: Path, name: str, text: str) -> None:
    assert imports_by_name(package(tmp_path, {name: f"def f():\n    {text}\n"})) == {f"proxy/{name}"}


def test_seeded_a_class_name_in_two_modules(tmp_path: Path) -> None:
    nested = "class Outer:\n    class _Inner: pass\n"
    found = package(
        tmp_path, {"a/x.py": nested, "a/y.py": "def f():\n    class _Inner: pass\n", "a/z.py": "class Other: pass\n"}
    )
    assert repeated_classes(found) == {"_Inner": ["proxy/a/x.py", "proxy/a/y.py"]}


def test_seeded_a_file_name_in_two_folders(tmp_path: Path) -> None:
    names = ["a/keys.py", "b/keys.py", "desk/x/page.py", "desk/y/page.py", "c/page.py", "policy/kinds/text.py", "i18n/text.py"]
    found = package(tmp_path, dict.fromkeys(names, ""))
    assert repeated_files(found) == {"keys": ["proxy/a", "proxy/b"]}
    package(tmp_path, {"d/page.py": ""})
    assert repeated_files(found) == {"keys": ["proxy/a", "proxy/b"], "page": ["proxy/c", "proxy/d"]}


def test_seeded_a_private_word(tmp_path: Path) -> None:
    found = package(
        tmp_path, {"relay/chains.py": "class Told: pass\nclass _Told: pass\n", "relay/x.py": "class WayBack: pass\n"}
    )
    package(
        tmp_path,
        {"desk/x.py": "", "relay/board/x.py": "", "native/transit.pyx": "cdef class _Numbered:\n    cdef int x\n"},
    )
    package(
        tmp_path,
        {"relay/y.py": "class HTTPFront: pass\nclass TheWayBackAgain: pass\nclass LongMessage: pass\nclass _Sent: pass\n"},
    )
    package(
        tmp_path,
        {"relay/z.py": "class Sent: pass\nclass Frontier: pass\n", "native/x.pyx": "cdef class Order(OfficerOrder): pass\n"},
    )
    assert set(private_words(found)) == {
        "proxy/native/transit.pyx: pending_submit",
        "proxy/relay/board: multipart shared",
        "proxy/relay/chains.py: batching",
        "proxy/relay/chains.py: class Told: idempotency",
        "proxy/relay/chains.py: class _Told: idempotency",
        "proxy/relay/x.py: class WayBack: deliver",
        "proxy/native/transit.pyx: class _Numbered: sequence_window",
        "proxy/relay/y.py: class HTTPFront: http",
        "proxy/relay/y.py: class TheWayBackAgain: deliver",
        "proxy/relay/z.py: class Sent: message_index",
    }


def test_seeded_a_long_first_line(tmp_path: Path) -> None:
    twelve = " ".join(["word"] * 12)
    found = package(tmp_path, {"a/long.py": f'"""{twelve} more."""', "a/none.py": "", "a/title.py": '"""A title"""'})
    package(
        tmp_path,
        {"a/good.py": f'"""{twelve}.\n\nA longer text, with as many words as it needs, and no limit of its length."""'},
    )
    assert [line.partition(":")[0] for line in poor_first_lines(found)] == [
        "proxy/a/long.py",
        "proxy/a/none.py",
        "proxy/a/title.py",
    ]
