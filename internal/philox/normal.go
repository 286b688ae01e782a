package philox

import "math"

// Normals fills dst with normal variates of mean 0 and standard deviation 1, for whoever wants many: a tenth of what [Stream.Normal]
// costs, and other numbers than its. How many values it draws depends on the values.
//
// It is the ziggurat of Marsaglia and Tsang (2000): the bell is covered by layers of equal area, a word picks a layer and a place
// in it, and where the layer lies under the bell, which is nearly everywhere, the place is the variate. Layer, sign and place have
// bits of their own, so that none tells of another.
func (s *Stream) Normals(dst []float32) {
	for i := range dst {
		word := s.Uint32()
		layer, place := word%layers, word>>8
		x := float32(place) * ziggurat.unit[layer]
		if place >= ziggurat.inside[layer] {
			x = s.normalBeyond(layer, float64(x))
		}
		dst[i] = math.Float32frombits(math.Float32bits(x) | word<<24&(1<<31))
	}
}

// normalBeyond judges a place that may lie outside the bell, and draws again until one lies inside. The sign is the caller's.
func (s *Stream) normalBeyond(layer uint32, x float64) float32 {
	for {
		if layer == 0 {
			return float32(s.normalTail())
		}
		upper, lower := ziggurat.height[layer+1], ziggurat.height[layer]
		if lower+float64(s.Float()*(upper-lower)) < bell(x) {
			return float32(x)
		}
		word := s.Uint32()
		layer = word % layers
		place := word >> 8
		x = float64(float32(place) * ziggurat.unit[layer])
		if place < ziggurat.inside[layer] {
			return float32(x)
		}
	}
}

// normalTail draws from what lies beyond the lowest layer's edge, as Marsaglia (1964) does.
func (s *Stream) normalTail() float64 {
	for {
		x, y := -math.Log(s.Float())/tailFrom, -math.Log(s.Float())
		if y+y > float64(x*x) {
			return tailFrom + x
		}
	}
}

// The ziggurat of 128 layers: where the tail begins, and the area of a layer under the bell exp(-x*x/2).
const (
	layers    = 128
	tailFrom  = 3.442619855899
	layerArea = 9.91256303526217e-3
	places    = 1 << 24 // that a layer is divided into
)

func bell(x float64) float64 { return math.Exp(-float64(x*x) / 2) }

type zigguratTables struct {
	unit   [layers]float32     // how wide a place is
	inside [layers]uint32      // the places before this one lie under the bell whatever their height
	height [layers + 1]float64 // of the bell at the layer's edge
}

// ziggurat is built from the widest layer, which has the tail in it, to the top.
var ziggurat = func() (t zigguratTables) {
	edge := [layers + 1]float64{layerArea / bell(tailFrom), tailFrom}
	for i := 1; i < layers; i++ {
		t.height[i] = bell(edge[i])
		if i < layers-1 {
			edge[i+1] = math.Sqrt(-2 * math.Log(layerArea/edge[i]+t.height[i]))
		}
	}
	t.height[layers] = 1
	for i := range layers {
		t.unit[i], t.inside[i] = float32(edge[i]/places), uint32(edge[i+1]/edge[i]*places)
	}
	return t
}()
