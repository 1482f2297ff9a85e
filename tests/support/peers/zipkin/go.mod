module peer/zipkin

go 1.26.0

require (
	github.com/openzipkin/zipkin-go v0.4.3
	google.golang.org/grpc v1.75.0
)
