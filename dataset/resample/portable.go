package resample

// resizeGo is Resize in Go: the reference, and all there is without cgo.
func resizeGo(dst, src []uint8, stride int, across, down Taps) {
	top, bytes := down.top(), 3*len(across.First)
	rows := make([]uint8, bytes*(down.last()-top))
	for y := range down.last() - top {
		resizeRow(rows[y*bytes:(y+1)*bytes], src[(top+y)*stride:], across)
	}
	sums := make([]int32, bytes)
	for y, first := range down.First {
		blendRows(dst[y*bytes:(y+1)*bytes], rows[(int(first)-top)*bytes:], down.Weights[y*down.Width:(y+1)*down.Width], sums)
	}
}

func resizeRow(dst, src []uint8, across Taps) {
	for x, first := range across.First {
		r, g, b := int32(halfWeight), int32(halfWeight), int32(halfWeight)
		pixels := src[3*first : 3*(int(first)+across.Width)]
		for i, w := range across.Weights[x*across.Width : (x+1)*across.Width] {
			p := pixels[3*i : 3*i+3 : 3*i+3]
			r += w * int32(p[0])
			g += w * int32(p[1])
			b += w * int32(p[2])
		}
		dst[3*x], dst[3*x+1], dst[3*x+2] = rounded(r), rounded(g), rounded(b)
	}
}

// blendRows sums consecutive rows of src, each as long as dst; sums is scratch of that length.
func blendRows(dst, src []uint8, weights, sums []int32) {
	for i := range sums {
		sums[i] = halfWeight
	}
	for j, w := range weights {
		row := src[j*len(dst) : (j+1)*len(dst)]
		for i, v := range row {
			sums[i] += w * int32(v)
		}
	}
	for i, s := range sums {
		dst[i] = rounded(s)
	}
}

func rounded(sum int32) uint8 { return uint8(min(sum>>WeightBits, 255)) }
