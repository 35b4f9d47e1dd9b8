package inspect

import (
	"context"
	"fmt"
	"strings"

	"darkroom/internal/sbom"
)

var versionChecks = []Check{
	{
		ID: "version.ffmpeg", Title: "No fault is known of ffmpeg that can be reached here", Kind: Version,
		Mend: "Use a release of ffmpeg that has the fixes (`ffmpeg: PATH`), and see `darkroom sbom --ffmpeg` for each; until then the sandbox is what stands between.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.FFmpeg == nil {
				return unseen(missing("ffmpeg"))
			}
			p, err := in.FFmpeg(ctx)
			if err != nil {
				return unseen(err)
			}
			facts := []Fact{{"version", p.Version}, {"program", p.Path}, {"table of", sbom.Table().Date}}
			if p.Package.Name != "" {
				facts = append(facts, Fact{"package", p.Package.Name + " " + p.Package.Version})
			}
			reached, open := 0, 0
			for _, v := range sbom.Known(p) {
				verdict := "cannot be reached: "
				switch v.Reach {
				case "yes":
					verdict = "can be reached: "
					reached++
				case "no":
				default:
					verdict = "not known whether it can be reached: "
					open++
				}
				facts = append(facts, Fact{v.ID, verdict + v.Because})
			}
			note := ""
			if p.Patched() {
				note = "; the version is a distribution's own and may have fixes without their number"
			}
			if reached+open > 0 {
				return failed("known faults of ffmpeg %s that can be reached: %d; of which that is not known: %d%s", p.Version, reached, open, note).with(facts...)
			}
			return passed("no fault is known of ffmpeg %s that can be reached here", p.Version).with(facts...)
		},
	},
	{
		ID: "version.build", Title: "The program is what its source says", Kind: Version,
		Mend: "Build from a clean checkout of a released commit with `make build`.",
		look: func(_ context.Context, in *Installation) Result {
			if in.Build == nil {
				return unseen(missing("the build"))
			}
			info, err := in.Build()
			if err != nil {
				return unseen(err)
			}
			facts := []Fact{{"Go", info.GoVersion}, {"modules", fmt.Sprint(len(info.Deps))}}
			values := map[string]string{}
			for _, s := range info.Settings {
				values[s.Key] = s.Value
			}
			for _, key := range []string{"vcs.revision", "vcs.time", "vcs.modified", "-trimpath", "CGO_ENABLED"} {
				facts = append(facts, Fact{key, values[key]})
			}
			var faults []string
			for _, m := range info.Deps {
				switch {
				case m.Replace != nil:
					faults = append(faults, "module "+m.Path+" is replaced by "+m.Replace.Path)
				case m.Sum == "":
					faults = append(faults, "module "+m.Path+" has no checksum")
				}
			}
			switch {
			case values["vcs.revision"] == "":
				faults = append(faults, "the program does not say which commit it was built from")
			case values["vcs.modified"] == "true":
				faults = append(faults, "the program was built from a checkout with changes that are in no commit")
			}
			if len(faults) > 0 {
				return failed("%s", strings.Join(faults, "; ")).with(facts...)
			}
			return passed("the program was built from commit %s with %d modules, each with its checksum", values["vcs.revision"], len(info.Deps)).with(facts...)
		},
	},
}
