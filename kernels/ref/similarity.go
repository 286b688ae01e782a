package ref

import "github.com/textground/textground/kernels"

// Similarity is the cosine of every pixel with every text.
func (d *device) Similarity(s, pixels, texts kernels.Tensor) {
	batch, places, width := pixels.Shape[0], pixels.Shape[1], pixels.Shape[2]
	kernels.RequireMatrix("Similarity: texts", texts, texts.Rows(), width)
	kernels.RequireShape("Similarity: s", s, batch, texts.Rows(), places)
	out, words := rowsOf(s), units(rowsOf(texts))
	for b := range batch {
		v := units(rowsOf(pixels.RowRange(b*places, (b+1)*places)))
		parallel(len(words), func(j int) {
			row := out.row(b*len(words) + j)
			for p := range v {
				row[p] = float32(dot(v[p].hat, words[j].hat))
			}
		})
	}
}
