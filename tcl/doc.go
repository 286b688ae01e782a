// Package tcl is the method: text-grounded contrastive learning (tcl-spec) on a kernels.Device, forward and backward
// written out, no autograd.
//
// A [Model] holds the frozen CLIP, the grounder's trainable parameters as one flat vector in name order, and all device
// memory of a training step, allocated once. One lane goes through it like this: [Model.EmbedTexts] makes the lane's text
// embeddings; [Model.Forward] takes the lane's images and every text of the global batch to a [Pass]: CLIP's blocks but
// the last (vision.go), the masker block (masker.go), the decoder (decoder.go), pixel embeddings (projection.go), masks
// and both similarity matrices (scores.go). [Pass.Columns] is what must be summed over lanes before [Model.Backward] can
// make the lane's weighted gradient. [Model.Apply] takes the gradient summed over all lanes to the next parameters.
// [Model.Ground] is inference: images of any size to soft masks.
//
// Nothing here knows a bus, a store or a clock. Equal inputs give equal bits, whatever other lanes went through the model
// before, and whether a pass kept its activations or Backward computed them again. A Model belongs to one goroutine, as
// its device does; package worker and package segment are the callers.
//
// The files follow the data. Shapes: B images a lane, N texts in all, D vision width, E embedding, G patches an image,
// L = 1+G tokens, P = 16*G mask positions.
package tcl
