"""An index of what messages say, so that IMAP SEARCH of text reads few of them.

    change log ─► follower ─► text of each message ─► its trigrams, in SQLite's FTS5 or PostgreSQL's pg_trgm
    SEARCH TEXT ─► messages with all trigrams of the needle ─► these are read, and decide

Text is indexed as the search sees it (`SearchText`), so nothing that matches is ever missing.
"""

from hub_plugin_search_fts.driver import FtsSearch

__all__ = ["FtsSearch"]
