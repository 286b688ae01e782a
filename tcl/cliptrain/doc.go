// Package cliptrain pre-trains a small CLIP from scratch, in one process: the frozen model that the demo's grounder stands
// on. A [Recipe], read from YAML, says everything that a training is.
//
// Data passes through like this: [ReadSet] takes the pairs of a data set into memory, still compressed; [Start] makes the
// initial weights, which depend on data (a whitened patch embedding, centred outputs); [Train] makes the batch of each step
// (order, augmentation and prompts are pure functions of seed and step), has [tcl.Pretrainer] compute features, computes
// the loss of at most a few thousand scores on the host in float64, and hands the gradients of the features back.
// [Evaluate] measures on scenes of the synthetic world that nobody trained on, and [Encode] writes the weights under
// OpenAI's names, with where they come from in the metadata.
//
// The command line's clip train calls all of it. Equal recipes on equal devices give equal bits, for any number of threads.
package cliptrain
