package inspect

import (
	"context"
	"fmt"
)

var fileChecks = []Check{
	{
		ID: "file.modes", Title: "Nobody but the owner can read the data directory", Kind: Configuration, Standing: true,
		Mend: "Take the rights of others away: `chmod -R go= DIR` for the data directory DIR, and `chown -R` it to who runs the server.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Files == nil {
				return unseen(missing("the data directory"))
			}
			seen, open := 0, 0
			var facts []Fact
			cut, err := in.Files(ctx, func(f File) {
				seen++
				what := ""
				switch {
				case f.Mode.Perm()&0o077 != 0 && !(f.Public && f.Mode.Perm()&0o022 == 0):
					what = f.Mode.String() + ": others than its owner have rights on it"
				case !f.Owned:
					what = "belongs to another user"
				default:
					return
				}
				if open++; open <= MaxFacts {
					facts = append(facts, Fact{f.Path, what})
				}
			})
			switch {
			case err != nil:
				return unseen(err)
			case open > 0:
				return failed("%d of %d files and directories can be read or written by others", open, seen).with(facts...)
			case seen == 0:
				return failed("the data directory has no files")
			case cut:
				return unseen(&Unknown{fmt.Sprintf("the first %d files and directories are their owner's alone; the others were not looked at", seen)})
			}
			r := passed("all %d files and directories are their owner's alone", seen)
			return r
		},
	},
	{
		ID: "root.outside", Title: "The root of trust is not in what it protects", Kind: Configuration, Standing: true,
		Mend: "Move the root of trust elsewhere: write a configuration with `root: {kind: passphrase}`, transit, kms, or a file outside of the data directory, and run `darkroom keys rewrap --data DIR --config NEW.yaml`.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Root == nil {
				return unseen(missing("the root of trust"))
			}
			root, err := in.Root(ctx)
			if err != nil {
				return unseen(err)
			}
			facts := append([]Fact{{"kind", root.Kind}}, root.Facts...)
			if root.Inside {
				return failed("the key that wraps the installation key is in the data directory: who copies the directory has the key to all of it").with(facts...)
			}
			return passed("the installation key is wrapped by a root of kind %s outside of the data directory", root.Kind).with(facts...)
		},
	},
}
