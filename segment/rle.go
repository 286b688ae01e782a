package segment

// RLE is a mask as COCO stores it: run lengths of zeros and ones in turn, down the columns, packed into a string.
type RLE struct {
	Size   [2]int `json:"size"` // height, width
	Counts string `json:"counts"`
}

// RLE returns the mask of one class.
func (l *LabelMap) RLE(class int) RLE {
	height, width := l.Size()
	return RLE{[2]int{height, width}, packRuns(l.runs(class))}
}

// runs counts pixels that are not of the class, then that are, and so on, column by column.
func (l *LabelMap) runs(class int) []int {
	var runs []int
	height, width := l.Size()
	pix, inside, length := l.Pix(), false, 0
	for x := range width {
		for y := range height {
			if (int(pix[y*width+x]) == class) != inside {
				runs, inside, length = append(runs, length), !inside, 0
			}
			length++
		}
	}
	return append(runs, length)
}

// packRuns writes each length, from the fourth on as its difference to the one before last, in groups of 5 bits, lowest
// first: bit 5 says that more follow, and 48 is added to make a printable character.
func packRuns(runs []int) string {
	var out []byte
	for i, n := range runs {
		if i > 2 {
			n -= runs[i-2]
		}
		for more := true; more; {
			group := byte(n & 31)
			n >>= 5
			if more = n != -int(group>>4); more { // what is left is not just the sign
				group |= 32
			}
			out = append(out, group+48)
		}
	}
	return string(out)
}
