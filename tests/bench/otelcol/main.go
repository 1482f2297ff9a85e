// A peer: an OpenTelemetry Collector with just the parts that turn spans into
// metrics and a service graph for Prometheus (the benchmark) and that forward
// them over OTLP with a queue and retries (tests/integration/test_peers.py).
// ./setup builds it.
package main

import (
	"fmt"
	"os"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

func factories() (otelcol.Factories, error) {
	var f otelcol.Factories
	f.Telemetry = otelconftelemetry.NewFactory()
	in := otlpreceiver.NewFactory()
	f.Receivers = map[component.Type]receiver.Factory{in.Type(): in}
	batch, limiter := batchprocessor.NewFactory(), memorylimiterprocessor.NewFactory()
	f.Processors = map[component.Type]processor.Factory{batch.Type(): batch, limiter.Type(): limiter}
	out, forward := prometheusexporter.NewFactory(), otlpexporter.NewFactory()
	f.Exporters = map[component.Type]exporter.Factory{out.Type(): out, forward.Type(): forward}
	red, graph := spanmetricsconnector.NewFactory(), servicegraphconnector.NewFactory()
	f.Connectors = map[component.Type]connector.Factory{red.Type(): red, graph.Type(): graph}
	health := healthcheckextension.NewFactory()
	f.Extensions = map[component.Type]extension.Factory{health.Type(): health}
	return f, nil
}

func main() {
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "otelcol", Description: "a peer of weir's tests", Version: "peer"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory(), envprovider.NewFactory()},
		}},
	})
	if err := command.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
