"""`security.md`: who may do what at Kafka, from `streams.acls`; what each role may in the web server."""

from docpages.markdown import code, table
from streams.acls import RULES, default_principal


def sections() -> dict[str, str]:
    """The table of the rules."""
    rows = [
        [code(default_principal(rule.role)), rule.kind.lower(), ", ".join(map(code, rule.names)), ", ".join(rule.operations), rule.why]
        for rule in RULES
    ]
    return {"acls": table(["user", "resource", "names", "may", "because it"], rows)}
