"""Writes the C declarations (``.pxd``) of modules in Cython's pure-Python mode from their annotations.

In: modules that ``import cython``. Out: for each the text by which other modules compile against its classes and functions.
Never: a declaration that is written by hand beside the annotation.

Declared are variables of a C type, classes marked ``@cython.cclass`` (all annotated attributes, methods marked ``cfunc`` and ``ccall``),
functions marked ``@cython.ccall``, and what the module imports of these from other compiled modules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

C_TYPES = {
    "uchar": "unsigned char", "ushort": "unsigned short", "uint": "unsigned int", "ulong": "unsigned long", "longlong": "long long",
    "ulonglong": "unsigned long long", "int": "int", "long": "long", "Py_ssize_t": "Py_ssize_t", "size_t": "size_t", "bint": "bint",
    "double": "double", "Py_UCS4": "Py_UCS4", "void": "void", "p_uchar": "unsigned char *", "p_char": "char *", "p_void": "void *",
}  # fmt: skip
PYTHON_TYPES = {
    "bytes": "bytes", "bytearray": "bytearray", "str": "str", "list": "list", "tuple": "tuple", "dict": "dict", "set": "set",
    "frozenset": "frozenset", "float": "double", "bool": "bint",
}  # fmt: skip


def is_compiled(path: Path) -> bool:
    """Whether a module is compiled: it imports cython."""
    return b"\nimport cython\n" in path.read_bytes()


def declarations(root: Path, sources: Iterable[Path]) -> dict[Path, str]:
    """The declarations of all modules, by their paths below ``root``."""
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts): (path.relative_to(root), _Module(path)) for path in sources
    }
    exported = {name: module.exported() for name, (_, module) in modules.items()}
    natives = {".".join(path.relative_to(root).with_suffix("").parts): path for path in (root / "proxy/native").glob("*.pxd")}
    exported |= {name: _exported_natively(path, "cdef ", "cpdef ") for name, path in natives.items()}
    classes = {name: {one.name for one in module.classes} for name, (_, module) in modules.items()}
    classes |= {name: _exported_natively(path, "cdef class ") for name, path in natives.items()}
    return {path: module.text(exported, classes) for path, module in modules.values()}


def _exported_natively(path: Path, *begins: str) -> set[str]:
    """Names that a hand-written declaration of native/ exports: the last word before a bracket or a colon of a line that begins so."""
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(begins))
    return {line.split("(")[0].split(":")[0].split()[-1].lstrip("*") for line in lines}


def simplified(text: str, inline: Iterable[str] = ()) -> str:
    """The text of a module in which functions with C declarations say ``list`` for ``list[int]``: the compiler wants both to match.
    ``inline``: modules of which it takes C functions that are compiled into it, so it imports nothing of them."""
    for module in inline:
        text = text.replace(f"\nfrom {module} import ", f"\nfrom cython.cimports.{module} import ")
    functions = [
        one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef) and _marks(one) & {"cfunc", "ccall"}
    ]
    annotations = [one.annotation for function in functions for one in function.args.args] + [one.returns for one in functions]
    parts = [
        part
        for one in annotations
        if one is not None
        for part in ((one.left, one.right) if isinstance(one, ast.BinOp) else (one,))
    ]
    lines = [line.encode() for line in text.splitlines()]
    for part in sorted(parts, key=lambda part: (part.lineno, part.col_offset), reverse=True):
        name = ast.unparse(part.value) if isinstance(part, ast.Subscript) else ast.unparse(part)
        if isinstance(part, ast.Subscript) or name == "int":
            line, plain = lines[part.lineno - 1], name if PYTHON_TYPES.get(name) == name else "object"
            lines[part.lineno - 1] = line[: part.col_offset] + plain.encode() + line[part.end_col_offset :]
    return b"\n".join(lines).decode() + "\n"


class _Module:
    def __init__(self, path: Path) -> None:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        self.classes = [one for one in body if isinstance(one, ast.ClassDef) and "cclass" in _marks(one)]
        self.functions = [one for one in body if isinstance(one, ast.FunctionDef) and "ccall" in _marks(one)]
        self.imports = [one for one in body if isinstance(one, ast.ImportFrom) and one.module]
        self.variables = [
            one for one in body if isinstance(one, ast.AnnAssign) and ast.unparse(one.annotation).startswith("cython.")
        ]
        self.known: set[str] = set()

    def exported(self) -> set[str]:
        return {one.name for one in (*self.classes, *self.functions)}

    def text(self, exported: dict[str, set[str]], classes: dict[str, set[str]]) -> str:
        lines = ["cimport cython", ""]
        self.known = {one.name for one in self.classes}
        for one in self.imports:
            taken = [name for name in one.names if name.name in exported.get(one.module or "", ())]
            if taken:
                names = ", ".join(name.name + (f" as {name.asname}" if name.asname else "") for name in taken)
                lines.append(f"from {one.module} cimport {names}")
                self.known |= {name.asname or name.name for name in taken if name.name in classes.get(one.module or "", ())}
        lines += [f"cdef {self._type(one.annotation)} {ast.unparse(one.target)}" for one in self.variables]
        for kind in self.classes:
            lines += ["", *self._class(kind)]
        lines += ["", *(f"cpdef {self._signature(one)}" for one in self.functions)]
        return "\n".join(lines) + "\n"

    def _class(self, kind: ast.ClassDef) -> Iterator[str]:
        if "final" in _marks(kind):
            yield "@cython.final"
        bases = [ast.unparse(base) for base in kind.bases if ast.unparse(base) in self.known]
        yield f"cdef class {kind.name}{f'({bases[0]})' if bases else ''}:"
        empty = True
        for one in kind.body:
            if isinstance(one, ast.AnnAssign) and one.value is None and isinstance(one.target, ast.Name):
                if not ast.unparse(one.annotation).startswith("ClassVar"):
                    public = "" if one.target.id in ("__weakref__", "__dict__") else "public "
                    yield f"    cdef {public}{self._type(one.annotation)} {one.target.id}"
                    empty = False
            elif isinstance(one, ast.FunctionDef) and (marks := _marks(one)) & {"cfunc", "ccall"}:
                yield f"    {'cpdef' if 'ccall' in marks else 'cdef'} {self._signature(one)}"
                empty = False
        if empty:
            yield "    pass"

    def _signature(self, function: ast.FunctionDef) -> str:
        given = function.args
        plain = len(given.args) - len(given.defaults)
        arguments = [
            f"{self._type(one.annotation)} {one.arg}{'=*' if place >= plain else ''}" if one.annotation else one.arg
            for place, one in enumerate(given.args)
        ]
        result = self._type(function.returns)
        if result in {*C_TYPES.values(), "double", "bint"}:
            raises = " noexcept" if "exceptval" in _marks(function) else " except *" if result == "void" else ""
        else:
            raises = ""
        return f"{result} {function.name}({', '.join(arguments)}){raises}"

    def _type(self, annotation: ast.expr | None) -> str:
        if annotation is None or (isinstance(annotation, ast.Constant) and annotation.value is None):
            return "object"
        if isinstance(annotation, ast.BinOp):  # X | None
            sides = [one for one in (annotation.left, annotation.right) if ast.unparse(one) != "None"]
            found = self._type(sides[0]) if len(sides) == 1 else "object"
            return "object" if found in C_TYPES.values() else found
        if isinstance(annotation, ast.Subscript):
            found = self._type(annotation.value)
            return found if found in PYTHON_TYPES.values() else "object"
        name = ast.unparse(annotation)
        if name.startswith("cython."):
            return C_TYPES[name.removeprefix("cython.")]
        return name if name in self.known else PYTHON_TYPES.get(name, "object")


def _marks(one: ast.ClassDef | ast.FunctionDef) -> set[str]:
    """The names of its cython decorators."""
    names = (ast.unparse(mark.func if isinstance(mark, ast.Call) else mark) for mark in one.decorator_list)
    return {name.removeprefix("cython.") for name in names if name.startswith("cython.")}
