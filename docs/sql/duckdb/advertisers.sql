-- Owner of each signature, from the registry of the rules.
CREATE OR REPLACE VIEW advertisers AS
SELECT DISTINCT signature, advertiser
FROM read_csv('/etc/gate106/rules/registries/signatures.csv', header = true, comment = '#', all_varchar = true);
