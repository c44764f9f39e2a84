# state/mailbox/deliver_queue.py, state/mailbox/mailbox.py


cdef inline void _add_to(slot *at, long long more):
    """Adds to an integer field."""
    cdef object sum = <long long><object>at[0] + more
    _set(at, sum)


cdef bint _are_items(list items) noexcept:
    if _pending_type is NULL:
        _learn_fields()
    for item in items:
        if Py_TYPE(item) is not _item_type or _type_of((<ItemFields *>item).box) is not _queue_type:
            return False
    return True


def deliver_queue_take_ready(ready, Py_ssize_t most):
    cdef list taken = []
    if _pending_type is NULL:
        _learn_fields()
    popleft = ready.popleft
    while ready and len(taken) < most:
        item = popleft()
        if Py_TYPE(item) is not _item_type:
            if item.state == <object>_ready_state:
                item.state = <object>_handed_state
                taken.append(item)
        elif (<ItemFields *>item).state is _ready_state:
            _set(&(<ItemFields *>item).state, <object>_handed_state)
            taken.append(item)
    return taken


cdef int _remove_gone(object items) except -1:
    """Removes gone items from the front of a deque."""
    popleft = items.popleft
    while items:
        item = items[0]
        if Py_TYPE(item) is _item_type:
            if (<ItemFields *>item).state is not _gone_state:
                return 0
        elif item.state != <object>_gone_state:
            return 0
        popleft()
    return 0


def deliver_queue_remove_gone(self):
    cdef QueueFields *fields = <QueueFields *>self
    if _pending_type is NULL:
        _learn_fields()
    if Py_TYPE(self) is not _queue_type:
        PURE["deliver_queue_remove_gone"](self)
        return
    order = <object>fields._order
    _remove_gone(order)
    _remove_gone(<object>fields._ready)
    if len(order) > _slack + 2 * <long long><object>fields.count:
        PURE["deliver_queue_remove_gone"](self)


def mailbox_add_all(self, long long number, list items):
    cdef dict new
    cdef long long size, all_bytes = 0, count = 0, queue_bytes = 0
    cdef slot queue = NULL
    cdef ItemFields *fields
    cdef object append = None
    cdef dict queues = {}
    if not _are_items(items):
        return PURE["mailbox_add_all"](self, number, items)
    new = self._new
    for item in items:
        fields = <ItemFields *>item
        if fields.box is not queue:
            queues[<object>fields.box] = None
            if queue is not NULL:
                _add_to(&(<QueueFields *>queue).count, count)
                _add_to(&(<QueueFields *>queue).bytes, queue_bytes)
                count = queue_bytes = 0
            queue = fields.box
            append = (<object>(<QueueFields *>queue)._order).append
        which = number
        _set(&fields.number, which)
        append(item)
        new[which] = item
        size = PyBytes_GET_SIZE(<bytes>fields.data) + _item_bytes
        count += 1
        queue_bytes += size
        all_bytes += size
        number += 1
    if queue is not NULL:
        _add_to(&(<QueueFields *>queue).count, count)
        _add_to(&(<QueueFields *>queue).bytes, queue_bytes)
    self.bytes += all_bytes
    return list(queues)


def mailbox_ready_all(list items):
    cdef slot queue = NULL
    cdef object append = None
    cdef dict queues = {}
    cdef long long run = 0
    if not _are_items(items):
        return PURE["mailbox_ready_all"](items)
    for item in items:
        if (<ItemFields *>item).box is not queue:
            if run:
                queues[<object>queue] = queues.get(<object>queue, 0) + run
                run = 0
            queue = (<ItemFields *>item).box
            append = (<object>(<QueueFields *>queue)._ready).append
        run += 1
        if (<ItemFields *>item).state is _unsafe_state:
            _set(&(<ItemFields *>item).state, <object>_ready_state)
            append(item)
    if run:
        queues[<object>queue] = queues.get(<object>queue, 0) + run
    return queues


cdef int _count_removed(slot queue, long long count, long long size, long long handed) except -1:
    """Subtracts items that left a queue, and removes gone items from its front."""
    cdef QueueFields *fields = <QueueFields *>queue
    _add_to(&fields.count, -count)
    _add_to(&fields.bytes, -size)
    _add_to(&fields.handed, -handed)
    deliver_queue_remove_gone(<object>queue)
    return 0


def mailbox_delivered_all(self, list items):
    cdef dict new, collecting
    cdef list numbers = []
    cdef long long size, all_bytes = 0, count = 0, queue_bytes = 0, handed = 0
    cdef slot queue = NULL
    cdef ItemFields *fields
    if not _are_items(items):
        return PURE["mailbox_delivered_all"](self, items)
    new, collecting = self._new, self._collecting
    for item in items:
        fields = <ItemFields *>item
        if fields.state is _gone_state:
            continue
        if fields.box is not queue:
            if queue is not NULL:
                _count_removed(queue, count, queue_bytes, handed)
                count = queue_bytes = handed = 0
            queue = fields.box
            _set(&(<QueueFields *>queue)._row, _zero)
        handed += fields.state is _handed_state
        size = PyBytes_GET_SIZE(<bytes>fields.data) + _item_bytes
        count += 1
        queue_bytes += size
        all_bytes += size
        _set(&fields.state, <object>_gone_state)
        _set(&fields.data, _no_bytes)
        number = <object>fields.number
        new.pop(number, None)
        if collecting:
            collecting.pop(number, None)
        if fields.stored is _true:
            self._old.append(number)
        numbers.append(number)
    if queue is not NULL:
        _count_removed(queue, count, queue_bytes, handed)
    self.bytes -= all_bytes
    return numbers
