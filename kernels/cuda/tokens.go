//go:build cuda && cgo

package cuda

// #include "tokens.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	imageTokens                 = declare("image_tokens", 256)
	imageTokensBackward         = declare("image_tokens_backward", 256)
	embedTokens                 = declare("embed_tokens", 256)
	embedTokensBackwardTable    = declare("embed_tokens_backward_table", 256)
	embedTokensBackwardPosition = declare("embed_tokens_backward_position", 256)
)

// ImageTokens puts the class row before the patches and adds positions.
func (d *device) ImageTokens(x, patches, class, position kernels.Tensor) {
	batch, length, width := x.Shape[0], x.Shape[1], x.Shape[2]
	kernels.RequireShape("ImageTokens: x", x, batch, length, width)
	kernels.Require("ImageTokens: patches", patches, kernels.Float32, batch*(length-1)*width)
	kernels.Require("ImageTokens: class", class, kernels.Float32, width)
	kernels.Require("ImageTokens: position", position, kernels.Float32, length*width)
	launch(d, imageTokens, blocks(batch*length, 1), 0, &C.struct_tg_image_tokens{
		x: pointer(x), patches: pointer(patches), class_row: pointer(class), position: pointer(position),
		batch: C.int64_t(batch), length: C.int64_t(length), width: C.int64_t(width),
	})
}

// ImageTokensBackward adds over the batch in order.
func (d *device) ImageTokensBackward(dpatches, dclass, dposition, dx kernels.Tensor) {
	batch, length, width := dx.Shape[0], dx.Shape[1], dx.Shape[2]
	kernels.RequireShape("ImageTokensBackward: dx", dx, batch, length, width)
	requireOptional("ImageTokensBackward: dpatches", dpatches, batch*(length-1)*width)
	requireOptional("ImageTokensBackward: dclass", dclass, width)
	requireOptional("ImageTokensBackward: dposition", dposition, length*width)
	launch(d, imageTokensBackward, grid{X: max(length, 1), Y: min(blocks(width, 256).X, 65535)}, 0, &C.struct_tg_image_tokens_backward{
		dpatches: pointer(dpatches), dclass: pointer(dclass), dposition: pointer(dposition), dx: pointer(dx),
		batch: C.int64_t(batch), length: C.int64_t(length), width: C.int64_t(width),
	})
}

// EmbedTokens looks tokens up.
func (d *device) EmbedTokens(x, tokens, table, position kernels.Tensor) {
	batch, length, width := x.Shape[0], x.Shape[1], x.Shape[2]
	kernels.RequireShape("EmbedTokens: x", x, batch, length, width)
	requireEmbedding("EmbedTokens", tokens, table, position, batch*length, length, width)
	launch(d, embedTokens, blocks(batch*length, 1), 0, &C.struct_tg_embed_tokens{
		x: pointer(x), tokens: pointer(tokens), table: pointer(table), position: pointer(position),
		rows: C.int64_t(batch * length), length: C.int64_t(length), width: C.int64_t(width), words: C.int64_t(table.Rows()),
	})
}

// EmbedTokensBackward adds rows in order, a block for each word and each place.
func (d *device) EmbedTokensBackward(dtable, dposition, dx, tokens kernels.Tensor) {
	batch, length, width := dx.Shape[0], dx.Shape[1], dx.Shape[2]
	kernels.RequireShape("EmbedTokensBackward: dx", dx, batch, length, width)
	requireEmbedding("EmbedTokensBackward", tokens, dtable, dposition, batch*length, length, width)
	a := &C.struct_tg_embed_tokens_backward{
		dtable: pointer(dtable), dposition: pointer(dposition), tokens: pointer(tokens), dx: pointer(dx),
		rows: C.int64_t(batch * length), length: C.int64_t(length), width: C.int64_t(width),
	}
	launch(d, embedTokensBackwardTable, grid{X: max(dtable.Rows(), 1)}, 0, a)
	launch(d, embedTokensBackwardPosition, grid{X: max(length, 1)}, 0, a)
}

func requireEmbedding(what string, tokens, table, position kernels.Tensor, rows, length, width int) {
	kernels.Require(what+": tokens", tokens, kernels.Int32, rows)
	kernels.Require(what+": table", table, kernels.Float32, table.Rows()*width)
	kernels.Require(what+": position", position, kernels.Float32, max(position.Rows(), length)*width)
}

// requireOptional is kernels.Require for an optional Float32 argument.
func requireOptional(what string, t kernels.Tensor, n int) {
	if t.Present() {
		kernels.Require(what, t, kernels.Float32, n)
	}
}
