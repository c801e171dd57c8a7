"""The index: what was published before, so that a new batch is compared with it. No text is in it.

A folder of immutable files and one manifest, `index.json`, that is replaced at once and names those that count; what it
does not name was left by a writer that died, and the next one removes it. Format 1:

    index.json             format, MinHash identity, versions, shards, segments and tombstones with their sha256
    documents-N.parquet    a row a document, by id: both halves of id (KEY is the first) and text hash, host, source,
                           date, characters, and where its text is: number of the shard in index.json, and row in it
    keys-N.parquet         by key, a row a band and one for the text's hash: the first 44 bits, and the document's row
    deleted-N.parquet      segment and row of documents that count no longer
    lock                   held by whoever changes the index

44 bits: 10^7 documents before and 10^6 new ones propose 130 wrong pairs, which the texts refuse. Sorted and delta coded
a key with its row takes 5.6 bytes, so that the 26 bands of `dolma3` fit 200 bytes a document as well.

A text is read where its version was published (`shards/<sha256>.parquet` below the output). Where that is gone, a match
is named without a similarity and removes nothing. In memory: a range of keys, 8 bytes a deleted document, and 4 bytes a
document of the segments that `compact` merges into one.
"""
