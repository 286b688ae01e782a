package benchmark

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/textground/textground/segment"
)

// layout says where a published data set keeps its validation split. NAME stands for what the split file lists, or for
// what is left of an image's path below images without its ending.
type layout struct {
	roots  []string // where the set may begin under the directory that people name
	split  string   // file with a NAME a line; where it is empty, every image counts
	images string   // directory of NAME + imageEnding
	labels string   // directory of NAME + labelEnding

	imageEnding, labelEnding string

	source string // where the label maps come from
}

var vocLayout = layout{
	roots: []string{".", "VOC2012", "VOCdevkit/VOC2012"}, split: "ImageSets/Segmentation/val.txt",
	images: "JPEGImages", imageEnding: ".jpg", labels: "SegmentationClass", labelEnding: ".png",
	source: "the archive of VOC 2012 has them",
}

var contextLayout = layout{
	roots: []string{".", "VOC2010", "VOCdevkit/VOC2010"}, split: "ImageSets/SegmentationContext/val.txt",
	images: "JPEGImages", imageEnding: ".jpg", labels: "SegmentationClassContext", labelEnding: ".png",
	source: "MMSegmentation's pascal_context.py makes split and label maps out of trainval_merged.json",
}

var cocoObjectLayout = layout{
	roots:  []string{".", "coco_stuff164k"},
	images: "images/val2017", imageEnding: ".jpg", labels: "annotations/val2017", labelEnding: "_instanceTrainIds.png",
	source: "TCL's convert_coco_object.py makes them out of COCO-Stuff's label maps",
}

var cocoStuffLayout = layout{
	roots:  []string{".", "coco_stuff164k"},
	images: "images/val2017", imageEnding: ".jpg", labels: "annotations/val2017", labelEnding: "_labelTrainIds.png",
	source: "MMSegmentation's coco_stuff164k.py makes them out of COCO-Stuff's label maps",
}

var cityscapesLayout = layout{
	roots:  []string{".", "cityscapes"},
	images: "leftImg8bit/val", imageEnding: "_leftImg8bit.png", labels: "gtFine/val", labelEnding: "_gtFine_labelTrainIds.png",
	source: "cityscapesScripts' createTrainIdLabelImgs makes them",
}

var ade20kLayout = layout{
	roots:  []string{".", "ADEChallengeData2016", "ade/ADEChallengeData2016"},
	images: "images/validation", imageEnding: ".jpg", labels: "annotations/validation", labelEnding: ".png",
	source: "the archive ADEChallengeData2016 has them",
}

// expected is the layout in words.
func (l layout) expected() string {
	files := fmt.Sprintf("%s/NAME%s and %s/NAME%s", l.images, l.imageEnding, l.labels, l.labelEnding)
	if l.split != "" {
		files += ", with a NAME a line in " + l.split
	}
	return fmt.Sprintf("expected are %s (%s)", files, l.source)
}

// find returns the directory under dir where the set begins.
func (l layout) find(dir string) (string, error) {
	for _, root := range l.roots {
		if at := filepath.Join(dir, root); isDir(filepath.Join(at, l.images)) {
			return at, l.complete(at)
		}
	}
	if !isDir(dir) {
		return "", &segment.SetError{Place: dir, Rule: "is no directory", Mend: l.expected()}
	}
	return "", &segment.SetError{Place: dir, Rule: fmt.Sprintf("has no folder %s, itself or in %s", l.images, strings.Join(l.roots[1:], " or ")), Mend: l.expected()}
}

// complete names what a set that has images lacks.
func (l layout) complete(root string) error {
	if !isDir(filepath.Join(root, l.labels)) {
		return &segment.SetError{Place: root, Rule: "has no folder " + l.labels, Mend: l.expected()}
	}
	if l.split != "" {
		if _, err := os.Stat(filepath.Join(root, l.split)); err != nil {
			return &segment.SetError{Place: root, Rule: "has no file " + l.split, Mend: l.expected()}
		}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// list returns the NAMEs of the split in their order.
func (l layout) list(root string) (names []string, err error) {
	place := filepath.Join(root, l.images)
	if l.split != "" {
		place = filepath.Join(root, l.split)
		names, err = readSplit(place)
	} else {
		names, err = l.walk(place)
	}
	if err == nil && len(names) == 0 {
		err = &segment.SetError{Place: place, Rule: "has no image", Mend: l.expected()}
	}
	return names, err
}

// walk lists the images at any depth below a directory, in the order of their names.
func (l layout) walk(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, isImage := strings.CutSuffix(path, l.imageEnding)
		if err != nil || d.IsDir() || !isImage {
			return err
		}
		name, err = filepath.Rel(dir, name)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	slices.Sort(names)
	return names, err
}
