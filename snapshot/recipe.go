package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// RecipeFormat is the version of the records in recipes/.
const RecipeFormat = 1

// Recipe is one record of recipes/: what was built from a source, or why nothing was.
type Recipe struct {
	Format    int             `json:"format"`
	Ecosystem string          `json:"ecosystem"`
	Target    string          `json:"target"`
	Project   string          `json:"project"`
	Version   string          `json:"version"`
	Filename  string          `json:"filename"` // of the source
	Source    Digest          `json:"source"`
	URL       string          `json:"url"`   // of the source, without credentials and query
	Index     string          `json:"index"` // root of the index
	What      json.RawMessage `json:"what"`  // all that decides the result, which only the ecosystem can read: compact
	Result    *RecipeResult   `json:"result,omitempty"`
	Failure   *RecipeFailure  `json:"failure,omitempty"` // of Result and Failure one is set
}

// RecipeResult is the artifact that two builds agreed on.
type RecipeResult struct {
	Filename string `json:"filename"`
	SHA256   Digest `json:"sha256"`
	Size     int64  `json:"size"`
	Kind     string `json:"kind"` // Pure or Native
}

// RecipeFailure is why nothing was built: the recipe is not tried again.
type RecipeFailure struct {
	Reason string `json:"reason"` // a word of the ecosystem's, such as needs-network
	Detail string `json:"detail"` // a line for people
}

// ID names the recipe: the SHA-256 of What.
func (r Recipe) ID() Digest { return Sum(r.What) }

const maxRecipe = 1 << 20 // some kB: a line for each thing that a build needs

// Recipe reads one record. It is ErrFormat when a newer version of this program wrote it, ErrDamaged when
// it is not what was written under that name, and fs.ErrNotExist when there is none.
func (s *Store) Recipe(id Digest) (r Recipe, err error) {
	path := s.RecipePath(id)
	b, err := readSmall(path, maxRecipe)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("recipe %s: %w", id.Short(), err)
	}
	var of struct { // first and alone: a newer one may have other types
		Format int `json:"format"`
	}
	if err == nil {
		err = json.Unmarshal(b, &of)
	}
	if err == nil && of.Format > RecipeFormat {
		return r, &problem{kind: ErrFormat, msg: fmt.Sprintf("recipe %s has format %d, and this program knows format %d", id.Short(), of.Format, RecipeFormat),
			hint: "use the version of larder that wrote it, or a newer one"}
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	switch {
	case err == nil && r.Format != RecipeFormat:
		err = fmt.Errorf("it has format %d", r.Format)
	case err == nil && r.ID() != id:
		err = errors.New("it is another recipe's")
	case err == nil && (r.Result == nil) == (r.Failure == nil):
		err = errors.New("it says neither what came of it nor why nothing did")
	}
	if err != nil {
		return r, &problem{kind: ErrDamaged, msg: "recipe " + id.Short() + " cannot be read", err: err,
			hint: "remove " + path + ": the next larder build makes another"}
	}
	return r, nil
}

// UnreadableRecipe is a record that is no recipe, or one of a newer format. Err says so with its id.
type UnreadableRecipe struct {
	Path string
	Err  error
}

// Recipes are all that are kept, by name.
func (s *Store) Recipes() (all []Recipe, bad []UnreadableRecipe, err error) {
	entries, err := os.ReadDir(s.RecipesDir())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		id, err := ParseDigest(name)
		if !ok || err != nil {
			continue // no recipe
		}
		r, err := s.Recipe(id)
		if err != nil {
			bad = append(bad, UnreadableRecipe{s.RecipePath(id), err})
			continue
		}
		all = append(all, r)
	}
	return all, bad, err
}

// PutRecipe keeps a record, durably, instead of the one of its name. The caller holds the writer lock.
func (s *Store) PutRecipe(r Recipe) error {
	r.Format = RecipeFormat
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it would change What
	err := enc.Encode(r)
	if err == nil {
		err = os.Mkdir(s.RecipesDir(), 0o700)
		if err == nil {
			err = syncDir(s.Dir())
		}
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err == nil {
		err = s.putFile(s.RecipePath(r.ID()), b.Bytes())
	}
	if err != nil {
		return spaceError("keep a recipe", s.dir, int64(b.Len()), err)
	}
	return nil
}
