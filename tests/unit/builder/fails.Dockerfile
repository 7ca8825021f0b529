FROM base
ENV A=1
RUN echo before; exit 3
