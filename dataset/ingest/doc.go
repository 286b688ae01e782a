// Package ingest turns lists of URLs and captions into shards: it asks for every URL once, politely, and says of each what
// became of it.
//
// A [List] is cut into parts of a fixed number of rows, which are written into the store together with a [Plan]
// ([Begin]). Part k becomes shard k, its samples in list order, so the shards do not depend on who crawls what. A [Crawler]
// works on the parts that a [Leader] leases to it: it fetches the bodies (addresses are checked where a connection is made,
// robots.txt and X-Robots-Tag are obeyed, limits hold), makes pictures of them and seals the part: first the shard, then the
// [Ledger], which can be created only once. A late second copy of a part is dropped there. Whoever starts again looks into
// the store and goes on. [WriteIndex] writes the index of what is sealed, at the end or before.
//
// [Leases] is the leader's machine, without clock and network; a [Desk] keeps it for ingesters in this process and, with
// [Desk.Lead], in others, which ask it as a [Remote] over the package exchange, each ingest under a name that lies in its place
// ([BusRun]). The command line calls this package and nothing else does: training never fetches.
package ingest
