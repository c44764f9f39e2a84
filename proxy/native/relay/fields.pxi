# fields of Python objects, read and written in C
#
# The objects made for each message are of plain classes with __slots__: their fields lie at fixed offsets, which structs describe and
# ``_learn_fields`` checks. A read takes one instruction instead of eighty. Objects of any other class go to the Python version.

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member

    ctypedef object (*allocfunc)(PyTypeObject *, Py_ssize_t)
    ctypedef object (*newfunc)(PyTypeObject *, PyObject *, PyObject *)

    ctypedef struct PyTypeObject:
        allocfunc tp_alloc
        newfunc tp_new

    PyTypeObject *Py_TYPE(object)
    PyTypeObject *_type_of "Py_TYPE"(PyObject *)
    PyObject *PyDict_GetItemWithError(dict, object) except? NULL
    PyObject *PyDict_SetDefault(dict, object, object) except NULL


ctypedef PyObject *slot

# Those of classes in Cython's pure-Python mode lie in the order of their annotations. This module cannot import these classes' declarations:
# their modules import functions of this one.

cdef struct PendingFields:
    PyObject head
    slot bind
    unsigned int sequence
    slot data
    double arrived_s, answered_s
    slot message, verdict, category
    unsigned int status
    slot reason, lane
    long long recorded
    slot packed
    long long entry_id, entry_time
    slot adopted, takes, long
    int late
    double gate_s
    slot weak_references

cdef struct MessageFields:
    PyObject head
    slot sender
    long long recipient
    slot content

cdef struct SenderFields:
    PyObject head
    slot provider, account, port, prefix, category, since
    unsigned int provider_hash, port_hash
    slot written

cdef struct FactsFields:
    PyObject head
    slot sender, declared, classified, category, subcategory, signature
    u64 signature_hash
    slot keyword
    unsigned int keyword_hash, subcategory_code
    slot owners
    int textless
    u64 packed

cdef struct VerdictFields:
    PyObject head
    slot outcome, reason, rule, breaches, facts, province
    unsigned int template
    slot takes

cdef struct ContentFields:
    PyObject head
    slot complete, digest, extra, octets, part, read_by, reading, scheduled, state, text

cdef struct CachedRefusalFields:
    PyObject head
    double until
    long long person
    slot sender, digest
    long long sequence
    slot verdict

# Slots lie in alphabetical order.

cdef struct ReadingFields:
    PyObject head
    slot template, traits

cdef struct PlanFields:
    PyObject head
    slot asks, bare_persons, breaches, caps, counters, facts, fewest, objected, oldest_s, outcome, outline, persons, reason, rule
    slot sparing, takes, wants_a_word

cdef struct PartFields:
    PyObject head
    slot aside, dirty, frozen, leaving, series

cdef struct SeriesFields:
    PyObject head
    slot counts, keep_s, starts, sums, width_s

cdef struct CounterStateFields:
    PyObject head
    slot answered, asked_s, exhausted, keep_s, left, limits, need, out, reached, report, room, said_s, sent, since, surplus, taken
    slot told_limits, told_s, until_s, used, used_s, width_s

cdef struct ReasonFields:
    PyObject head
    slot name, public, rank, status

cdef struct RecordFields:
    PyObject head
    slot _refused, _rows, bare, data, held

cdef struct MemoFields:
    PyObject head
    void *methods
    slot young, old
    Py_ssize_t most

cdef struct RecipientTestFields:
    PyObject head
    slot evidence, holds, names, numbers, passing, reads, similar, spares_bare, word, words

cdef struct LaneFields:
    PyObject head
    slot _fresh, _most, _queued, _queues, _total, _turn, _wake, apart, bound, came, code, debt, held, name, up

cdef struct AdmissionFields:
    PyObject head
    slot _listed, _on_judge_error, candidate, cut_off, error, evidence, highest_id, routes, rules, sent_twice, stale, store, tally

cdef PyTypeObject *_checked_layout(kind, str names, size_t size) except NULL:
    """Checks that a class's slots lie as in a struct of that size; TypeError if not."""
    cdef Py_ssize_t place = sizeof(PyObject)
    for name in names.split():
        field = kind.__dict__.get(name)
        if type(field).__name__ != "member_descriptor" or (<PyMemberDescrObject *>field).d_member.offset != place:
            raise TypeError(f"{kind.__name__}.{name} is not where it should be")
        place += sizeof(slot)
    if place != <Py_ssize_t>size:
        raise TypeError(f"{kind.__name__} has other fields")
    return <PyTypeObject *>kind


cdef PyTypeObject *_sized_class(kind, size_t size) except NULL:
    """Checks that objects of a class in Cython's pure-Python mode are as large as a struct; TypeError if not."""
    if <size_t>kind.__basicsize__ != size:
        raise TypeError(f"{kind.__name__} has other fields")
    return <PyTypeObject *>kind


cdef inline object _new(PyTypeObject *kind):
    """A new object of a class in Cython's pure-Python mode: its numbers are 0, its other fields None."""
    return kind.tp_new(kind, <PyObject *>_empty_tuple, NULL)


cdef inline void _set(slot *at, object value) noexcept:
    """Replaces the value of a field."""
    cdef slot before = at[0]
    Py_INCREF(value)
    at[0] = <PyObject *>value
    Py_XDECREF(before)


cdef inline void _fill(slot *at, object value) noexcept:
    """Sets a field of a new object."""
    Py_INCREF(value)
    at[0] = <PyObject *>value


cdef inline Py_ssize_t _u16_at(const octet *at) noexcept:
    return <Py_ssize_t>at[0] << 8 | at[1]


cdef inline object _get(dict held, object key):
    cdef PyObject *found = PyDict_GetItemWithError(held, key)
    return None if found is NULL else <object>found


cdef inline int _add(dict counts, object key, Py_ssize_t more=1) except -1:
    cdef PyObject *found = PyDict_GetItemWithError(counts, key)
    counts[key] = more if found is NULL else <object>found + more
    return 0


cdef PyTypeObject *_pending_type = NULL  # until _learn_fields has run
cdef PyTypeObject *_message_type
cdef PyTypeObject *_content_type
cdef PyTypeObject *_sender_type
cdef PyTypeObject *_facts_type
cdef PyTypeObject *_verdict_type
cdef PyTypeObject *_reading_type
cdef PyTypeObject *_plan_type
cdef PyTypeObject *_record_type
cdef PyTypeObject *_policy_memo_type
cdef PyTypeObject *_recipient_test_type
cdef PyTypeObject *_lane_type
cdef PyTypeObject *_admission_type
cdef PyTypeObject *_reason_type
cdef PyTypeObject *_any_type
cdef object _ask_person, _evidence_of, _whole_record, _objected, _submit_failed
cdef object _kept_of, _is_like, _gate_reasons, _refused_before, _part_key, _count_max, _take_type, _tuple_of = tuple.__new__
cdef object _allow, _marketing
cdef PyTypeObject *_series_type
cdef PyTypeObject *_aggregates_type
cdef PyTypeObject *_shared_counters_type
cdef PyTypeObject *_counter_state_type
cdef object _empty_tuple = (), _zero = 0
cdef Py_ssize_t _segment_first
cdef object _is = True
cdef PyObject *_true = <PyObject *>_is
cdef PyObject *_zero_ptr = <PyObject *>_zero


cdef int _learn_fields() except -1:
    """Imports classes and functions, and checks the classes' layout, once."""
    global _pending_type, _message_type, _content_type, _sender_type, _facts_type, _verdict_type, _reading_type, _plan_type
    global _record_type, _policy_memo_type, _recipient_test_type, _lane_type, _admission_type, _reason_type, _any_type
    global _ask_person, _evidence_of, _whole_record, _objected, _submit_failed
    global _allow, _marketing, _segment_first
    global _kept_of, _is_like, _gate_reasons, _refused_before, _part_key, _count_max, _take_type
    global _series_type, _counter_state_type, _aggregates_type, _shared_counters_type
    from proxy.relay.admission import ESME_RSUBMITFAIL, Admission
    from proxy.net.lane import Lane
    from proxy.model.message import Category, Content, Facts, Message, Outcome, Sender, Take, Verdict
    from proxy.relay.effects.record_changes import refused_before
    from proxy.model.reasons import GATE_REASONS, Reason
    from proxy.policy.refusal_match import is_like
    from proxy.policy.condition import AnyOf, RecipientTest, ask_person, evidence_of
    from proxy.policy.limit_counts import part_key
    from proxy.policy.limit import COUNT_MAX
    from proxy.policy.judge import objected
    from proxy.policy.generational_cache import Memo
    from proxy.policy.evaluation_plan import Plan
    from proxy.policy.text_reader import Reading
    from proxy.policy.renamed_senders import kept_of
    from proxy.policy.registries.regions import SEGMENT_FIRST
    from proxy.state.counters.aggregates import Aggregates, _Part, _Series
    from proxy.state.counters.shared_counters import SharedCounters, _CounterState
    from proxy.state.record.record import Record
    from proxy.relay.pending_submit import PendingSubmit
    from proxy.relay.refusal_cache import CachedRefusal

    _kept_of, _is_like = kept_of, is_like
    _gate_reasons, _refused_before = GATE_REASONS, refused_before
    _part_key, _count_max, _take_type = part_key, COUNT_MAX, Take
    _aggregates_type, _shared_counters_type = <PyTypeObject *>Aggregates, <PyTypeObject *>SharedCounters
    _counter_state_type = _checked_layout(
        _CounterState,
        "answered asked_s exhausted keep_s left limits need out reached report room said_s sent since surplus taken told_limits told_s"
        " until_s used used_s width_s",
        sizeof(CounterStateFields),
    )
    _checked_layout(_Part, "aside dirty frozen leaving series", sizeof(PartFields))
    _series_type = _checked_layout(_Series, "counts keep_s starts sums width_s", sizeof(SeriesFields))
    _ask_person, _evidence_of, _objected, _whole_record = ask_person, evidence_of, objected, Record
    _submit_failed = ESME_RSUBMITFAIL
    _any_type = <PyTypeObject *>AnyOf
    _sized_class(CachedRefusal, sizeof(CachedRefusalFields))
    _reason_type = _checked_layout(Reason, "name public rank status", sizeof(ReasonFields))
    _allow, _marketing, _segment_first = Outcome.ALLOW, Category.MARKETING, SEGMENT_FIRST
    _message_type = _sized_class(Message, sizeof(MessageFields))
    _content_type = _sized_class(Content, sizeof(ContentFields))
    _sender_type = _sized_class(Sender, sizeof(SenderFields))
    _facts_type = _sized_class(Facts, sizeof(FactsFields))
    _verdict_type = _sized_class(Verdict, sizeof(VerdictFields))
    _reading_type = _sized_class(Reading, sizeof(ReadingFields))
    _plan_type = _checked_layout(
        Plan,
        "asks bare_persons breaches caps counters facts fewest objected oldest_s outcome outline persons reason rule sparing takes"
        " wants_a_word",
        sizeof(PlanFields),
    )
    _record_type = _checked_layout(Record, "_refused _rows bare data held", sizeof(RecordFields))
    _policy_memo_type = _sized_class(Memo, sizeof(MemoFields))
    _recipient_test_type = _checked_layout(RecipientTest, "evidence holds names numbers passing reads similar spares_bare word words", sizeof(RecipientTestFields))
    _lane_type = _checked_layout(
        Lane, "_fresh _most _queued _queues _total _turn _wake apart bound came code debt held name up", sizeof(LaneFields)
    )
    _admission_type = _checked_layout(
        Admission,
        "_listed _on_judge_error candidate cut_off error evidence highest_id routes rules sent_twice stale store tally",
        sizeof(AdmissionFields),
    )
    _pending_type = _sized_class(PendingSubmit, sizeof(PendingFields))
    return 0
