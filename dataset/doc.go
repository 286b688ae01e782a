// Package dataset turns an object store full of image-text pairs into the batches of a lane: index, plan, shards, decode,
// augment, tokenise.
//
// Data passes through in one direction. Shards are WebDataset tar files; [BuildIndex] reads them once and writes
// index.json, which fixes what the data set is (sizes, digests, places of the samples) and gives it a fingerprint.
// [NewPlan] is pure arithmetic on the index: for a step and a lane it names the samples, the same on every machine.
// A [Loader] fetches the shards of those samples, decodes and augments the images, tokenises the captions and hands out a
// [Batch]. Whoever asks for the batch of a step and a lane, in whatever order, gets the same bits.
//
// Workers own a Loader; the coordinator needs the fingerprint only; the command line builds, verifies and shows data sets.
// The synthetic scenes of the demonstration are written by the package world below this one.
package dataset
