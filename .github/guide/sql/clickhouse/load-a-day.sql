-- One day, from the files that count. Run it again and the day is loaded anew, not twice.
ALTER TABLE loaded DROP PARTITION '2026-11-11';
INSERT INTO loaded SELECT * FROM journal WHERE day = '2026-11-11';
