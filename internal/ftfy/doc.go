// Package ftfy repairs text that other programs have damaged, as the Python library ftfy 6 does with its default settings:
// UTF-8 that was read in another encoding ("sÃ³" for "só"), HTML entities, terminal escapes, ligatures, full-width letters,
// curly quotes, line breaks, surrogates, control characters, composition. CLIP cleans its captions with ftfy, so the
// same caption must come out here or its tokens differ.
//
// [FixText] goes line by line. A line runs through the repairs in a fixed order, again and again until nothing changes.
// The hard one is mojibake: a heuristic looks for neighbours that real text hardly has (badness.go); if it finds some,
// each likely encoding is tried in turn until the line's bytes in it are UTF-8 (mojibake.go). Which character sequences
// count as unlikely is ftfy's knowledge (Robyn Speer, Apache-2.0); the code is this project's own.
//
// Everything here is a pure function of its input. Package dataset calls it for every caption; nobody else should need to.
package ftfy
