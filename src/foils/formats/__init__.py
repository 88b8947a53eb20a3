"""Readers, from files and from memory. docs/input.md says what each accepts and rejects.

- ``files``, ``lines``: bytes and lines from disk, gzip and zip, with the encoding checked;
- ``jsonl``, ``csvs``, ``parquets``: tables into ``rows.Rows``, Arrow columns that know where each row stood;
- ``qrels``, ``judged``: judgements, every pair once per split;
- ``beir`` (with ``folder``), ``pairs`` (with ``merging``), ``arrays``: the three ways to a collection;
- ``datasets``: data sets by name;
- ``messages``: how error messages show hostile data.
"""
