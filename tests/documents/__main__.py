"""`make documents`."""

from __future__ import annotations

from tests.documents import documents

for path, content in documents().items():
    path.write_text(content)
