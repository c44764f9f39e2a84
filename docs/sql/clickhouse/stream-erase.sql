-- Once a day: what the view hides goes from the disk, too.
ALTER TABLE streamed DELETE WHERE kind NOT IN ('stopped', 'restored', 'confirmed', 'officer', 'consented')
    AND person IN (SELECT person FROM erasures) AND arrayExists(
        one -> one.1 = person AND one.2 = source AND sequence BETWEEN one.3 AND one.4,
        (SELECT groupArray((person, source, first, last)) FROM erasures)
    );
ALTER TABLE streamed UPDATE text = '' WHERE text <> '' AND person IN (SELECT person FROM erasures) AND arrayExists(
        one -> one.1 = person AND one.2 = source AND sequence BETWEEN one.3 AND one.4,
        (SELECT groupArray((person, source, first, last)) FROM erasures)
    );
