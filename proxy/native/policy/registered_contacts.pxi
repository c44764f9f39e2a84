# policy/registries/registry.py, policy/registries/registered_contacts.py: owners of links and telephone numbers

cdef struct OutsideFields:
    PyObject head
    slot provider, reads, registry


cdef object _owners_in(object owners_of, tuple links, tuple contacts):
    """policy/text_reader.py, _owners_of"""
    cdef dict registered = None
    if owners_of is None:
        return _no_owners
    if type(owners_of) is _MethodType and owners_of.__func__ is _owners_of_registry:
        registered = owners_of.__self__._owners
    found = _no_owners
    for contact in links:
        owners = owners_of(contact) if registered is None else _owner_of(registered, contact)
        if owners is not None:
            found |= {("domain", advertiser) for advertiser in owners.advertisers}
    for contact in contacts:
        owners = owners_of(contact) if registered is None else _owner_of(registered, contact)
        if owners is not None:
            found |= {("phone", advertiser) for advertiser in owners.advertisers}
    return found


cdef object _owner_of(dict registered, object contact):
    """policy/registries/registry.py, Registry.owners"""
    cdef Py_ssize_t dot
    owners = _get(registered, contact)
    while owners is None:
        dot = PyUnicode_FindChar(contact, c".", 0, len(<str>contact), 1)
        if dot < 0:
            return None
        contact = (<str>contact)[dot + 1:]
        owners = _get(registered, contact)
    return owners


cdef bint _is_outside(OutsideFields *outside, tuple links, tuple contacts, object name) except -1:
    """policy/registries/registered_contacts.py, Outside; ``name``: the text's signature."""
    cdef tuple found = links if <object>outside.reads == "links" else contacts
    cdef object registry, registered, mine = None
    if not len(found):
        return False
    registry = <object>outside.registry
    registered = registry._owners
    for contact in found:
        owners = _owner_of(<dict>registered, contact)
        if owners is None:
            return True
        if owners.everybody or <object>outside.provider in owners.providers:
            continue
        if mine is None:
            mine = registry.advertiser_of(_hash48(name)) if name else ""
        if not name or mine not in owners.advertisers:
            return True
    return False
