# An image that runs rcnn. Nobody has built it so far: it is written by reading, not by trying.
#
#   docker build -t rcnn .
#   docker run --rm -v "$PWD/photos:/photos:ro" -v "$PWD/out:/out" rcnn detect /photos -o /out

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential nasm python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --release --bin rcnn
# ONNX Runtime goes into the image, so that a container needs no network.
RUN RCNN_CACHE=/cache ./target/release/rcnn runtime install

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libstdc++6 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home rcnn && mkdir /cache && chown rcnn /cache
COPY --from=build /src/target/release/rcnn /usr/local/bin/rcnn
COPY --from=build --chown=rcnn /cache /cache
ENV RCNN_CACHE=/cache
USER rcnn
ENTRYPOINT ["rcnn"]
CMD ["--help"]
