FROM base:1
ENV A=1
RUN ["/usr/bin/python3", "-c", \
     "import sys; [print('line', n) for n in range(60)]; sys.exit(7)"]
