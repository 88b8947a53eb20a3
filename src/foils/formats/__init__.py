"""Readers, from files and from memory. docs/input.md says what each accepts and rejects.

- ``files``, ``lines``: bytes and lines from disk, gzip and zip, with the encoding checked;
- ``tables``: ``jsonl``, ``csvs``, ``tsvs``, ``parquets`` into ``rows.Rows``, Arrow columns that know where each row
  stood; ``columns`` checks columns that are in Arrow already, ``extras`` gathers metadata;
- ``parts``: tables of several splits as one; ``described``: tables of items, entities, labels; ``known``: ids that
  other files have;
- ``qrels``, ``judged``: judgements, every pair once per split;
- ``beir`` (with ``folder``), ``pairs`` (with ``merging``), ``arrays``, ``frames``, ``interactions``, ``triples``,
  ``labels``, ``trec``: the ways to a collection; ``recognise`` tells folders by their files;
- ``negatives`` (with ``given``): anybody's negatives;
- ``datasets``: data sets by name;
- ``messages``: how error messages show hostile data.
"""
