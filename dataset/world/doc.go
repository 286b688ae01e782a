// Package world draws the synthetic world of the demonstration: small pictures of cartoon sprites with a caption each and,
// what web data never has, the true mask of every object.
//
// A scene is a pure function of (seed, number): [Draw] paints a background, up to four sprites on a canvas of four times
// the size, reduces it, and says in words what stands there. [WriteShards] draws many scenes in parallel and writes them
// as WebDataset shards with their index. Training scenes are numbered from 0, evaluation scenes from [EvalFirst], so that
// the two never meet.
//
// The command line (data world, train, demo) calls WriteShards when a store has no shards yet; evaluation takes the lists
// [Nouns] and [EvalTemplates] for its prompts. Nothing else may know that the data is synthetic.
package world
