# object pools of the classes of which each message needs an object
#
# To make and free such an object by CPython's generic code costs as much as the verdict. Here slots are freed one by one, and the last
# freed object is the next one used: it is still in the processor's cache.

cdef extern from *:
    """
    #define GATE106_KINDS 1
    #define GATE106_KEPT 1024
    #define GATE106_TRACKED(number) 1 /* an item can be part of a reference cycle */

    typedef struct {
        PyTypeObject *type;
        Py_ssize_t slots, weak; /* weak: offset of the list of weak references, 0: there is no such list */
        int many;
        PyObject *kept[GATE106_KEPT]; /* freed: no reference, not tracked, all slots empty, each with its reference to the class */
    } gate106_kind;

    static gate106_kind gate106_kinds[GATE106_KINDS];

    static inline PyObject *gate106_make(int number) {
        gate106_kind *kind = &gate106_kinds[number];
        PyObject *made;
        if (!kind->many) {
            made = PyType_GenericAlloc(kind->type, 0);
            if (made && !GATE106_TRACKED(number)) PyObject_GC_UnTrack(made);
            return made;
        }
        made = kind->kept[--kind->many];
        _Py_NewReference(made);
        if (GATE106_TRACKED(number)) PyObject_GC_Track(made);
        return made;
    }

    /* Also called for objects of subclasses, whose own slots are empty by then. */
    static inline void gate106_free(gate106_kind *kind, PyObject *freed) {
        PyTypeObject *type = Py_TYPE(freed);
        PyObject **slot = (PyObject **)(freed + 1), **end = slot + kind->slots;
        PyObject_GC_UnTrack(freed);
        if (kind->weak && *(PyObject **)((char *)freed + kind->weak)) PyObject_ClearWeakRefs(freed);
        for (; slot < end; slot++) {
            PyObject *held = *slot;
            *slot = NULL;
            Py_XDECREF(held);
        }
        if (type == kind->type && kind->many < GATE106_KEPT) {
            kind->kept[kind->many++] = freed;
            return;
        }
        type->tp_free(freed);
        Py_DECREF(type);
    }

    #define GATE106_FREE(number) \\
        static void gate106_free_##number(PyObject *freed) { gate106_free(&gate106_kinds[number], freed); }
    GATE106_FREE(0)
    static const destructor gate106_frees[GATE106_KINDS] = {
        gate106_free_0,
    };

    /* Pools a plain class of slots; any other class stays as it is. */
    static void gate106_make_so(int number, PyTypeObject *type, Py_ssize_t slots) {
        Py_ssize_t end = sizeof(PyObject) + slots * sizeof(PyObject *), weak = type->tp_weaklistoffset;
        gate106_kinds[number].type = type;
    #ifndef Py_GIL_DISABLED
        if (
            type->tp_base != &PyBaseObject_Type || type->tp_basicsize != end + (weak > 0 ? (Py_ssize_t)sizeof(PyObject *) : 0) || type->tp_itemsize
            || (weak > 0 && weak != end) || type->tp_dictoffset || type->tp_finalize || type->tp_del
            || type->tp_alloc != PyType_GenericAlloc || !PyType_IS_GC(type)
        ) return;
        gate106_kinds[number].slots = slots;
        gate106_kinds[number].weak = weak;
        type->tp_dealloc = gate106_frees[number];
    #endif
    }
    """
    object gate106_make(int)
    void gate106_make_so(int, PyTypeObject *, Py_ssize_t)

cdef enum:
    ITEM

