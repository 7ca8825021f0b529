FROM base:1
COPY generated/built.txt /opt/built.txt
ENV BUILT=yes
CMD ["/usr/bin/python3"]
