"""What a published A/B table can and cannot support, from the table alone: no study, no server."""

from ablation.audit.judge import Audit, audit
from ablation.audit.read import read_published
from ablation.audit.table import AuditError, PublishedTable

__all__ = ["Audit", "AuditError", "PublishedTable", "audit", "read_published"]
