package ref

import (
	"github.com/textground/textground/kernels"
)

// ImageTokens puts the class row before the patches and adds positions.
func (d *device) ImageTokens(x, patches, class, position kernels.Tensor) {
	batch, length, width := x.Shape[0], x.Shape[1], x.Shape[2]
	kernels.RequireShape("ImageTokens: x", x, batch, length, width)
	kernels.RequireMatrix("ImageTokens: patches", patches, batch*(length-1), width)
	kernels.Require("ImageTokens: class", class, kernels.Float32, width)
	kernels.RequireMatrix("ImageTokens: position", position, length, width)
	out, from, places := rowsOf(x), rowsOf(patches), rowsOf(position)
	for b := range batch {
		for l := range length {
			src := values(class)
			if l > 0 {
				src = from.row(b*(length-1) + l - 1)
			}
			add(out.row(b*length+l), src, places.row(l))
		}
	}
}

// add computes dst = x + y.
func add(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v + y[i]
	}
}

// ImageTokensBackward adds over the batch in order.
func (d *device) ImageTokensBackward(dpatches, dclass, dposition, dx kernels.Tensor) {
	batch, length, width := dx.Shape[0], dx.Shape[1], dx.Shape[2]
	kernels.RequireShape("ImageTokensBackward: dx", dx, batch, length, width)
	from := rowsOf(dx)
	for b := range batch {
		for l := range length {
			row := from.row(b*length + l)
			if dposition.Present() {
				addTo(rowsOf(dposition).row(l), row)
			}
			switch {
			case l == 0 && dclass.Present():
				addTo(values(dclass), row)
			case l > 0 && dpatches.Present():
				copy(rowsOf(dpatches).row(b*(length-1)+l-1), row)
			}
		}
	}
}

// EmbedTokens looks tokens up.
func (d *device) EmbedTokens(x, tokens, table, position kernels.Tensor) {
	batch, length, width := x.Shape[0], x.Shape[1], x.Shape[2]
	kernels.RequireShape("EmbedTokens: x", x, batch, length, width)
	kernels.Require("EmbedTokens: tokens", tokens, kernels.Int32, batch*length)
	kernels.RequireMatrix("EmbedTokens: table", table, table.Rows(), width)
	kernels.RequireMatrix("EmbedTokens: position", position, position.Rows(), width)
	out, words, places := rowsOf(x), rowsOf(table), rowsOf(position)
	for i, id := range kernels.Host[int32](tokens) {
		add(out.row(i), words.row(int(id)), places.row(i%length))
	}
}

// EmbedTokensBackward adds row after row.
func (d *device) EmbedTokensBackward(dtable, dposition, dx, tokens kernels.Tensor) {
	length := dx.Shape[1]
	kernels.Require("EmbedTokensBackward: tokens", tokens, kernels.Int32, dx.Rows())
	kernels.RequireMatrix("EmbedTokensBackward: dtable", dtable, dtable.Rows(), dx.Cols())
	kernels.RequireMatrix("EmbedTokensBackward: dposition", dposition, dposition.Rows(), dx.Cols())
	from, words, places := rowsOf(dx), rowsOf(dtable), rowsOf(dposition)
	for i, id := range kernels.Host[int32](tokens) {
		addTo(words.row(int(id)), from.row(i))
		addTo(places.row(i%length), from.row(i))
	}
}
