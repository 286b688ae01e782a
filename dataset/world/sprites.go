package world

import "math"

// A role says with which paint a part of a sprite is filled.
type role byte

const (
	body  role = 'B' // the object's colour and texture
	dark  role = 'D' // a darker body colour, no texture
	light role = 'L' // a lighter body colour, no texture
	black role = 'K'
	white role = 'W'
	wood  role = 'N'
	grey  role = 'G'
	gold  role = 'Y'
	amber role = 'R'
	leaf  role = 'E'
	sky   role = 'S'
	cream role = 'C'
)

// fixed holds the paints that do not depend on the object's colour.
var fixed = map[role]rgb{
	black: {40, 36, 44}, white: {250, 248, 244}, wood: {128, 88, 56}, grey: {190, 190, 196}, gold: {250, 208, 70},
	amber: {246, 142, 60}, leaf: {84, 150, 74}, sky: {190, 226, 244}, cream: {244, 230, 204},
}

type part struct {
	role    role
	outline polygon
}

// sprites holds the parts of each noun, painted in this order, in the order of Nouns.
var sprites = [][]part{
	{ // fish
		{dark, poly(-.4, 0, -1, -.55, -.8, 0, -1, .55)}, {dark, poly(-.15, -.4, .25, -.8, .45, -.3)}, {dark, poly(0, .4, .1, .75, .4, .3)},
		{body, ellipse(.18, 0, .8, .5)}, {white, ellipse(.62, -.12, .14, .14)}, {black, ellipse(.65, -.12, .07, .07)},
	},
	{ // house
		{wood, rect(.35, -.85, .58, -.3)}, {body, rect(-.75, -.1, .75, .95)}, {dark, poly(-1, -.05, 0, -.95, 1, -.05)},
		{wood, rect(-.15, .35, .2, .95)}, {sky, rect(-.6, .15, -.28, .5)}, {sky, rect(.35, .15, .65, .5)},
	},
	{ // tree
		{wood, poly(-.16, .95, -.1, .1, .1, .1, .16, .95)},
		{body, join(arc(-.42, 0, .45, .42, 90, 270, 16), arc(0, -.5, .55, .48, 180, 360, 20), arc(.42, 0, .45, .42, -90, 90, 16))},
	},
	{ // boat
		{wood, rect(-.09, -.95, .03, .4)}, {white, poly(.08, -.9, .8, .2, .08, .2)}, {light, poly(-.14, -.7, -.14, .2, -.7, .2)},
		{body, poly(-1, .35, 1, .35, .68, .95, -.65, .95)},
	},
	{ // sun
		{dark, rays(11, 1, .62)}, {body, ellipse(0, 0, .62, .62)}, {black, ellipse(-.22, -.1, .07, .1)}, {black, ellipse(.22, -.1, .07, .1)},
		{black, join(arc(0, .12, .3, .22, 10, 170, 14), arc(0, .12, .3, .12, 170, 10, 14))},
	},
	{{body, rays(5, 1, .45).moved(0, .08)}}, // star
	{{body, crescent()}},                    // moon
	{{body, heart()}},                       // heart
	flower(),
	{ // mushroom
		{cream, poly(-.25, -.1, .25, -.1, .33, .85, .2, .95, -.2, .95, -.33, .85)},
		{body, join(arc(0, .05, 1, .98, 180, 360, 30), arc(0, .05, 1, .2, 0, 180, 20))},
		{white, ellipse(-.45, -.3, .17, .14)}, {white, ellipse(.15, -.6, .17, .14)}, {white, ellipse(.5, -.15, .15, .13)},
	},
	{ // umbrella
		{wood, rect(-.05, -.9, .05, .75)}, {wood, join(arc(.16, .75, .22, .22, 0, 180, 14), arc(.16, .75, .11, .11, 180, 0, 14))},
		{body, join(arc(0, .05, 1, .9, 180, 360, 30), arc(.667, .05, .333, .16, 0, -180, 10), arc(0, .05, .333, .16, 0, -180, 10), arc(-.667, .05, .333, .16, 0, -180, 10))},
	},
	{ // car
		{dark, poly(-.6, -.05, -.35, -.55, .3, -.55, .62, -.05)},
		{sky, poly(-.45, -.05, -.27, -.42, -.03, -.42, -.03, -.05)}, {sky, poly(.07, -.05, .07, -.42, .24, -.42, .45, -.05)},
		{body, poly(-1, 0, -.9, -.08, .75, -.08, 1, .12, 1, .45, -1, .45)}, {black, ellipse(-.55, .45, .25, .25)}, {black, ellipse(.55, .45, .25, .25)},
		{grey, ellipse(-.55, .45, .1, .1)}, {grey, ellipse(.55, .45, .1, .1)}, {gold, ellipse(.93, .13, .07, .08)},
	},
	{ // rocket
		{amber, poly(-.2, .6, .2, .6, .1, .85, 0, 1, -.1, .85)}, {dark, poly(-.3, .15, -.65, .75, -.25, .6)}, {dark, poly(.3, .15, .65, .75, .25, .6)},
		{body, join(poly(.36, 0, .25, .62, -.25, .62), arc(0, 0, .36, .9, 180, 360, 24))}, {dark, arc(0, 0, .36, .9, 232, 308, 12)}, {sky, ellipse(0, -.15, .16, .16)},
	},
	{ // balloon
		{black, rect(-.025, .4, .025, 1)}, {dark, poly(0, .35, -.13, .52, .13, .52)}, {body, ellipse(0, -.28, .58, .7)}, {light, tilted(-.22, -.52, .1, .2, 25)},
	},
	{ // cat
		{body, poly(-.8, -.95, -.1, -.5, -.75, .1)}, {body, poly(.8, -.95, .1, -.5, .75, .1)}, {dark, poly(-.66, -.7, -.3, -.48, -.64, -.2)}, {dark, poly(.66, -.7, .3, -.48, .64, -.2)},
		{body, ellipse(0, .15, .86, .74)}, {gold, ellipse(-.34, .02, .16, .19)}, {gold, ellipse(.34, .02, .16, .19)}, {black, ellipse(-.34, .02, .06, .17)}, {black, ellipse(.34, .02, .06, .17)},
		{amber, poly(-.1, .28, .1, .28, 0, .4)}, {black, poly(-.95, .3, -.35, .4, -.35, .44)}, {black, poly(.95, .3, .35, .4, .35, .44)},
		{black, ellipse(-.12, .48, .14, .05)}, {black, ellipse(.12, .48, .14, .05)},
	},
	{ // butterfly
		{body, tilted(-.5, -.35, .52, .42, 35)}, {body, tilted(.5, -.35, .52, .42, -35)}, {dark, tilted(-.4, .42, .38, .32, -35)}, {dark, tilted(.4, .42, .38, .32, 35)},
		{light, ellipse(-.55, -.38, .16, .14)}, {light, ellipse(.55, -.38, .16, .14)}, {black, ellipse(0, .05, .09, .62)},
		{black, poly(-.02, -.5, -.25, -.95, -.18, -.97, .03, -.5)}, {black, poly(.02, -.5, .25, -.95, .18, -.97, -.03, -.5)},
	},
}

// flower has six petals about a heart of gold.
func flower() []part {
	parts := []part{{leaf, rect(-.05, .1, .05, 1)}, {leaf, tilted(.25, .68, .26, .11, -30)}, {leaf, tilted(-.25, .8, .26, .11, 30)}}
	for k := range 6 {
		sin, cos := math.Sincos(float64(k) * math.Pi / 3)
		parts = append(parts, part{body, tilted(.42*cos, -.3+.42*sin, .3, .23, float64(k)*60)})
	}
	return append(parts, part{gold, ellipse(0, -.3, .2, .2)})
}
