-- One day, from the files of the manifests. A second run replaces the day.
ALTER TABLE loaded DROP PARTITION '2026-11-11';
INSERT INTO loaded SELECT * FROM journal WHERE day = '2026-11-11';
