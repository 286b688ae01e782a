package dataset

// The operations on single pixels. Like Pillow's, they work on 8 bits, channel by channel.

// applyTables replaces every value by its channel's table entry.
func applyTables(img *Image, tables *[3][256]uint8) *Image {
	for i := 0; i < len(img.Pix); i += 3 {
		p := img.Pix[i : i+3 : i+3]
		p[0], p[1], p[2] = tables[0][p[0]], tables[1][p[1]], tables[2][p[2]]
	}
	return img
}

// applyTable does so with one table for all channels.
func applyTable(img *Image, value func(v int) int) *Image {
	var table [256]uint8
	for v := range table {
		table[v] = uint8(value(v))
	}
	return applyTables(img, &[3][256]uint8{table, table, table})
}

func histograms(img *Image) (counts [3][256]int) {
	for i := 0; i < len(img.Pix); i += 3 {
		counts[0][img.Pix[i]]++
		counts[1][img.Pix[i+1]]++
		counts[2][img.Pix[i+2]]++
	}
	return counts
}

// autoContrast stretches each channel so that its darkest value becomes 0 and its brightest 255.
func autoContrast(img *Image) *Image {
	var tables [3][256]uint8
	for c, counts := range histograms(img) {
		tables[c] = stretchTable(&counts)
	}
	return applyTables(img, &tables)
}

func stretchTable(counts *[256]int) (table [256]uint8) {
	low, high := 0, 255
	for low < 255 && counts[low] == 0 {
		low++
	}
	for high > 0 && counts[high] == 0 {
		high--
	}
	if high <= low {
		return identityTable()
	}
	scale := 255 / float64(high-low)
	offset := -float64(low) * scale
	for v := range table {
		table[v] = uint8(max(0, min(int(float64(float64(v)*scale)+offset), 255)))
	}
	return table
}

func identityTable() (table [256]uint8) {
	for v := range table {
		table[v] = uint8(v)
	}
	return table
}

// equalize spreads each channel's values so that all are about equally frequent.
func equalize(img *Image) *Image {
	var tables [3][256]uint8
	for c, counts := range histograms(img) {
		tables[c] = spreadTable(&counts)
	}
	return applyTables(img, &tables)
}

func spreadTable(counts *[256]int) (table [256]uint8) {
	total, last, levels := 0, 0, 0
	for _, n := range counts {
		if n > 0 {
			total, last, levels = total+n, n, levels+1
		}
	}
	step := (total - last) / 255
	if levels <= 1 || step == 0 {
		return identityTable()
	}
	below := step / 2
	for v, n := range counts {
		table[v] = uint8(min(below/step, 255))
		below += n
	}
	return table
}

func invert(img *Image) *Image {
	return applyTable(img, func(v int) int { return 255 - v })
}

// posterize keeps the upper bits of each value; none at all makes the picture black.
func posterize(img *Image, bits int) *Image {
	return applyTable(img, func(v int) int { return v >> (8 - bits) << (8 - bits) })
}

// solarize inverts the values from threshold on.
func solarize(img *Image, threshold int) *Image {
	return applyTable(img, func(v int) int {
		if v < threshold {
			return v
		}
		return 255 - v
	})
}

// solarizeAdd brightens the darker half.
func solarizeAdd(img *Image, add int) *Image {
	return applyTable(img, func(v int) int {
		if v < 128 {
			return min(v+add, 255)
		}
		return v
	})
}

// blendValue moves from the value of a dull picture towards the original one and, where factor exceeds 1, beyond it.
func blendValue(dull, original uint8, factor float32) uint8 {
	v := float32(dull) + float32(factor*float32(int(original)-int(dull)))
	return uint8(max(0, min(v, 255)))
}

// grey is the luma of ITU-R 601 in 16-bit fixed point.
func grey(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

// adjustColour blends with the grey picture.
func adjustColour(img *Image, factor float64) *Image {
	f := float32(factor)
	for i := 0; i < len(img.Pix); i += 3 {
		p := img.Pix[i : i+3 : i+3]
		dull := grey(p[0], p[1], p[2])
		p[0], p[1], p[2] = blendValue(dull, p[0], f), blendValue(dull, p[1], f), blendValue(dull, p[2], f)
	}
	return img
}

// adjustContrast blends with a picture that is the mean grey all over.
func adjustContrast(img *Image, factor float64) *Image {
	sum := 0
	for i := 0; i < len(img.Pix); i += 3 {
		sum += int(grey(img.Pix[i], img.Pix[i+1], img.Pix[i+2]))
	}
	mean := uint8(float64(sum)/float64(len(img.Pix)/3) + 0.5)
	return applyTable(img, func(v int) int { return int(blendValue(mean, uint8(v), float32(factor))) })
}

// adjustBrightness blends with black.
func adjustBrightness(img *Image, factor float64) *Image {
	return applyTable(img, func(v int) int { return int(blendValue(0, uint8(v), float32(factor))) })
}
