// mixc: Istio's own command line client of Mixer, of Mixer's last months.
package main

import (
	"os"

	"istio.io/istio/mixer/cmd/mixc/cmd"
	"istio.io/istio/mixer/cmd/shared"
)

func main() {
	if err := cmd.GetRootCmd(os.Args[1:], shared.Printf, shared.Fatalf).Execute(); err != nil {
		os.Exit(1)
	}
}
