//! Both codecs against each other, the libraries they replace, and recorded messages.
