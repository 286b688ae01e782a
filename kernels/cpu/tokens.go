//go:build cgo

package cpu

// #include "tokens.h"
import "C"

import "github.com/textground/textground/kernels"

// ImageTokens puts the class row before the patches and adds positions.
func (d *device) ImageTokens(x, patches, class, position kernels.Tensor) {
	batch, length, width := x.Shape[0], x.Shape[1], x.Shape[2]
	kernels.RequireShape("ImageTokens: x", x, batch, length, width)
	kernels.Require("ImageTokens: patches", patches, kernels.Float32, batch*(length-1)*width)
	kernels.Require("ImageTokens: class", class, kernels.Float32, width)
	kernels.Require("ImageTokens: position", position, kernels.Float32, length*width)
	C.tg_image_tokens(d.pool.c, &C.struct_tg_image_tokens{
		batch: C.long(batch), length: C.long(length), width: C.long(width),
		x: floats(x), patches: floats(patches), class_row: floats(class), position: floats(position),
	})
}

// ImageTokensBackward adds over the batch in order.
func (d *device) ImageTokensBackward(dpatches, dclass, dposition, dx kernels.Tensor) {
	batch, length, width := dx.Shape[0], dx.Shape[1], dx.Shape[2]
	kernels.RequireShape("ImageTokensBackward: dx", dx, batch, length, width)
	requireOptional("ImageTokensBackward: dpatches", dpatches, batch*(length-1)*width)
	requireOptional("ImageTokensBackward: dclass", dclass, width)
	requireOptional("ImageTokensBackward: dposition", dposition, length*width)
	C.tg_image_tokens_backward(d.pool.c, &C.struct_tg_image_tokens_backward{
		batch: C.long(batch), length: C.long(length), width: C.long(width),
		dpatches: floats(dpatches), dclass: floats(dclass), dposition: floats(dposition), dx: floats(dx),
	})
}

// EmbedTokens looks tokens up.
func (d *device) EmbedTokens(x, tokens, table, position kernels.Tensor) {
	batch, length, width := x.Shape[0], x.Shape[1], x.Shape[2]
	kernels.RequireShape("EmbedTokens: x", x, batch, length, width)
	requireEmbedding("EmbedTokens", tokens, table, position, batch*length, length, width)
	C.tg_embed_tokens(d.pool.c, &C.struct_tg_embed_tokens{
		rows: C.long(batch * length), length: C.long(length), width: C.long(width),
		x: floats(x), tokens: ints(tokens), table: floats(table), position: floats(position),
	})
}

// EmbedTokensBackward adds row after row.
func (d *device) EmbedTokensBackward(dtable, dposition, dx, tokens kernels.Tensor) {
	batch, length, width := dx.Shape[0], dx.Shape[1], dx.Shape[2]
	kernels.RequireShape("EmbedTokensBackward: dx", dx, batch, length, width)
	requireEmbedding("EmbedTokensBackward", tokens, dtable, dposition, batch*length, length, width)
	C.tg_embed_tokens_backward(d.pool.c, &C.struct_tg_embed_tokens_backward{
		rows: C.long(batch * length), length: C.long(length), width: C.long(width),
		dtable: floats(dtable), dposition: floats(dposition), tokens: ints(tokens), dx: floats(dx),
	})
}

func requireEmbedding(what string, tokens, table, position kernels.Tensor, rows, length, width int) {
	kernels.Require(what+": tokens", tokens, kernels.Int32, rows)
	kernels.Require(what+": table", table, kernels.Float32, table.Rows()*width)
	kernels.Require(what+": position", position, kernels.Float32, max(position.Rows(), length)*width)
	requireBelow(what+": tokens", tokens, table.Rows())
}

// requireOptional is kernels.Require for an optional Float32 argument.
func requireOptional(what string, t kernels.Tensor, n int) {
	if t.Present() {
		kernels.Require(what, t, kernels.Float32, n)
	}
}
