// Command grafana reads a board of Grafana from standard input, strictly by the types of Grafana's own foundation SDK: members that are none of a board, or of
// another kind, are errors. It is a module of its own, so that the SDK is none of Darkroom's.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	known := cog.NewRuntime() // the one that decoding looks at
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	text, err := io.ReadAll(io.LimitReader(os.Stdin, 4<<20))
	var d dashboard.Dashboard
	if err == nil {
		err = found(d.UnmarshalJSONStrict(text))
	}
	if err == nil {
		err = found(d.Validate())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// found is an error of the SDK, which returns lists of faults, also where they are empty.
func found(err error) error {
	if faults, ok := err.(cog.BuildErrors); ok && len(faults) == 0 {
		return nil
	}
	return err
}
