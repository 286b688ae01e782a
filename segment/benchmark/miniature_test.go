package benchmark

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/philox"
)

// mini is one image of a miniature, as the test remembers it.
type mini struct {
	name   string
	pixels *dataset.Image
	found  []uint8 // class of each pixel for whoever segments, where that is known
	labels []int   // as in the file
}

// kind is how a published set stores things; the tests say it a second time, independently of layout.go.
type kind struct {
	root, image, label, split string
	palette, wide             bool // label maps have colours; have 16 bits
	labels                    []int
	first                     int // label of the first class
	cities                    bool
}

var kinds = map[string]kind{
	"voc":         {"VOCdevkit/VOC2012", "JPEGImages/%s.jpg", "SegmentationClass/%s.png", "ImageSets/Segmentation/val.txt", true, false, []int{0, 1, 15, 20, 255}, 0, false},
	"voc20":       {"VOCdevkit/VOC2012", "JPEGImages/%s.jpg", "SegmentationClass/%s.png", "ImageSets/Segmentation/val.txt", true, false, []int{0, 1, 15, 20, 255}, 1, false},
	"context60":   {"VOCdevkit/VOC2010", "JPEGImages/%s.jpg", "SegmentationClassContext/%s.png", "ImageSets/SegmentationContext/val.txt", false, false, []int{0, 3, 59}, 0, false},
	"context59":   {"VOCdevkit/VOC2010", "JPEGImages/%s.jpg", "SegmentationClassContext/%s.png", "ImageSets/SegmentationContext/val.txt", false, false, []int{0, 3, 59}, 1, false},
	"coco-object": {"coco_stuff164k", "images/val2017/%s.jpg", "annotations/val2017/%s_instanceTrainIds.png", "", false, false, []int{0, 1, 80, 44}, 0, false},
	"coco-stuff":  {"coco_stuff164k", "images/val2017/%s.jpg", "annotations/val2017/%s_labelTrainIds.png", "", false, true, []int{0, 90, 170, 255}, 0, false},
	"cityscapes":  {"cityscapes", "leftImg8bit/val/%s_leftImg8bit.png", "gtFine/val/%s_gtFine_labelTrainIds.png", "", false, false, []int{0, 11, 18, 255}, 0, true},
	"ade20k":      {"ADEChallengeData2016", "images/validation/%s.jpg", "annotations/validation/%s.png", "", false, false, []int{0, 1, 150, 77}, 1, false},
}

// miniature makes n random images with labels in the published layout of a benchmark. Besides, there are things that are
// not of the split. Where found tells what the segmenter finds, a third of the labels are that, so that some are right.
func miniature(t testing.TB, name string, n int, found func(*dataset.Image) []uint8) (dir string, images []mini) {
	t.Helper()
	k, dir := kinds[name], t.TempDir()
	chance := philox.NewKey(uint64(len(name)), philox.Test).Stream(0, 0, 0)
	var split []string
	for i := range n {
		m := mini{name: fmt.Sprintf("2007_%06d", 33+i*7)}
		if k.cities {
			m.name = fmt.Sprintf("%s/%[1]s_%06d_000019", []string{"frankfurt", "lindau"}[i*2/n], i)
		}
		width, height := 30+i%3*11, 26+i%2*9
		m.pixels = &dataset.Image{Width: width, Height: height, Pix: make([]uint8, 3*width*height)}
		for p := range m.pixels.Pix {
			m.pixels.Pix[p] = uint8(chance.Uint32())
		}
		file := encodeImage(t, m.pixels, filepath.Ext(k.image))
		m.pixels = decoded(t, file)
		for p := range width * height {
			m.labels = append(m.labels, k.labels[(p/7+p/width/5+int(chance.Uint32()%2)+i)%len(k.labels)])
		}
		if found != nil {
			m.found = found(m.pixels)
			for p := 0; p < len(m.labels); p += 3 {
				m.labels[p] = int(m.found[p]) + k.first
			}
		}
		at := func(pattern string) string { return filepath.Join(dir, k.root, fmt.Sprintf(pattern, m.name)) }
		put(t, at(k.image), file)
		put(t, at(k.label), encodeLabels(t, k, width, m.labels))
		images, split = append(images, m), append(split, m.name)
	}
	if k.split != "" {
		put(t, filepath.Join(dir, k.root, k.split), []byte(strings.Join(split, "\n")+"\n"))
		put(t, filepath.Join(dir, k.root, fmt.Sprintf(k.image, "2007_training")), []byte("not of the split"))
	}
	put(t, filepath.Join(dir, k.root, filepath.Dir(fmt.Sprintf(k.label, images[0].name)), "notes.txt"), nil)
	return dir, images
}

func decoded(t testing.TB, file []byte) *dataset.Image {
	t.Helper()
	img, err := dataset.DecodeImage(file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func encodeImage(t testing.TB, img *dataset.Image, ending string) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
	for i := range img.Width * img.Height {
		copy(picture.Pix[4*i:], img.Pix[3*i:3*i+3])
		picture.Pix[4*i+3] = 255
	}
	var file bytes.Buffer
	err := png.Encode(&file, picture)
	if ending == ".jpg" {
		file.Reset()
		err = jpeg.Encode(&file, picture, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func encodeLabels(t testing.TB, k kind, width int, labels []int) []byte {
	t.Helper()
	size := image.Rect(0, 0, width, len(labels)/width)
	var picture image.Image
	switch {
	case k.palette:
		colours := make(color.Palette, 256)
		for i := range colours {
			colours[i] = color.RGBA{uint8(i * 7), uint8(i * 31), uint8(255 - i), 255}
		}
		p := image.NewPaletted(size, colours)
		for i, v := range labels {
			p.Pix[i] = uint8(v)
		}
		picture = p
	case k.wide:
		p := image.NewGray16(size)
		for i, v := range labels {
			p.SetGray16(i%width, i/width, color.Gray16{Y: uint16(v)})
		}
		picture = p
	default:
		p := image.NewGray(size)
		for i, v := range labels {
			p.Pix[i] = uint8(v)
		}
		picture = p
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
