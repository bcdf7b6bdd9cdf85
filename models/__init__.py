"""What things are: events, facts, records, identifiers, settings and rulesets. No IO but the reading of rulesets and settings."""
