-- Owner of each signature, from the registry of the rules.
CREATE OR REPLACE VIEW advertisers AS
SELECT DISTINCT column1 AS signature, column2 AS advertiser
FROM file('/etc/gate106/rules/registries/signatures.csv', 'CSV', 'column1 String, column2 String')
WHERE NOT startsWith(column1, '#') AND column1 <> 'signature'
SETTINGS input_format_csv_allow_variable_number_of_columns = 1;
